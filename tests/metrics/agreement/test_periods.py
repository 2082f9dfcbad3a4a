import json
from typing import Any

import numpy as np
import pytest
from builders.tracks import CLASSES, spelled

from mcukd.metrics.agreement.periods import Periods, budget_agreement
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.track import Track

MINUTE = 60 * 10**9
TAG_CLASSES = (*CLASSES, "unknown")


def told(minutes: list[list[float]], animal: str = "cow1", length: int = 10) -> Periods:
    """Return a tag's periods of ten minutes, with minutes of each class."""
    starts = np.arange(len(minutes)) * length * MINUTE
    times = (np.array(minutes, float) * MINUTE).astype(np.int64)
    return Periods(animal, "payloads", TAG_CLASSES, starts, starts + length * MINUTE, times)


def watched(word: str, animal: str = "cow1") -> Track:
    return spelled(word, animal=animal, unit_ns=MINUTE)


def agreed(*pairs: tuple[Track, Periods], **more: Any) -> dict[str, Any]:
    found = budget_agreement(pairs, AgreementSettings(), **more)
    json.dumps(found, allow_nan=False)
    return found


def test_a_period_is_a_bin() -> None:
    found = agreed((watched("gggggrrrrr" + "ggggggggww"), told([[6, 4, 0, 0], [8, 1, 1, 0]])))
    grazing = found["together"]["behaviours"]["grazing"]
    assert found["together"]["periods"] == {"counted": 2, "left_out": 0}
    assert grazing["minutes"] == {"first": 13, "second": 14}
    assert grazing["min_per_hour"] == {"first": 39, "second": 42}
    # 36 − 30 and 48 − 48 min/h.
    assert grazing["periods"]["bias"]["value"] == pytest.approx(3)
    assert grazing["periods"]["bias"]["interval"] is None


def test_each_is_counted_by_the_hours_it_knows() -> None:
    # The observer knew eight minutes, the tag gave an answer in nine.
    found = agreed((watched("ggggrrrr.."), told([[4.5, 4.5, 0, 1]])))
    assert found["classes"] == list(CLASSES)
    assert found["together"]["behaviours"]["grazing"]["min_per_hour"] == {"first": 30, "second": 30}
    assert found["together"]["minutes"] == {"first_knows": 8, "second_knows": 9}


def test_a_period_of_which_too_little_is_known_is_left_out() -> None:
    periods = told([[10, 0, 0, 0], [10, 0, 0, 0], [2, 0, 0, 8]])
    found = agreed((watched("gggggggggg" + "gg........" + "gggggggggg"), periods))
    assert found["together"]["periods"] == {"counted": 1, "left_out": 2}
    assert any("2 were left out" in sentence for sentence in found["sentences"])


def test_animals_stand_alone_and_together() -> None:
    found = agreed(
        (watched("gggggrrrrr"), told([[6, 4, 0, 0]])),
        (watched("ggrrrrrrrr", "cow2"), told([[2, 8, 0, 0]], "cow2")),
        (watched("wwwwwwwwww"), told([[0, 0, 10, 0]])),
    )
    assert list(found["animals"]) == ["cow1", "cow2"]
    assert found["animals"]["cow1"]["periods"]["counted"] == 2
    grazing = found["together"]["behaviours"]["grazing"]
    assert grazing["over_animals"]["targets"] == 2 and grazing["periods"]["bias"]["interval"] is not None


def test_nothing_to_compare_is_said() -> None:
    for pairs in ((), ((watched("gg"), told([[5, 5, 0, 0]])),)):
        found = agreed(*pairs, simulated=True)
        assert found["sentences"][0] == "These data are simulated."
        assert found["sentences"][1].startswith("No period is known well enough")


def test_two_animals_are_no_pair() -> None:
    with pytest.raises(ValueError, match="cow2"):
        agreed((watched("gg"), told([[1, 1, 0, 0]], "cow2")))


@pytest.mark.parametrize(
    ("starts", "ends", "times", "match"),
    [
        ([0], [0], [[1]], "empty"),
        ([0, 5], [6, 9], [[1], [1]], "overlap"),
        ([0], [5], [[-1]], "negative"),
        ([0], [5], [[1], [1]], "length"),
    ],
)
def test_what_are_no_periods_is_refused(
    starts: list[int], ends: list[int], times: list[list[int]], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        Periods("cow1", "s", ("grazing",), np.array(starts), np.array(ends), np.array(times))
