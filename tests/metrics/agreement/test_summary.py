import json
from typing import Any

import numpy as np
import pytest
from builders.tracks import CLASSES, spelled
from sklearn.metrics import cohen_kappa_score

from mcukd.errors import UserError
from mcukd.metrics.agreement.sentences import agreement_columns, agreement_rows
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import NS, Track, track_of

TAG_CLASSES = (*CLASSES, "unknown")
MINUTE = 60 * NS


def pair(observer: str, tag: str, animal: str = "cow1") -> tuple[Track, Track]:
    """Return two tracks, a minute for each letter."""
    return (
        spelled(observer, animal=animal, unit_ns=MINUTE),
        spelled(tag, animal=animal, source="tag", classes=TAG_CLASSES, unit_ns=MINUTE),
    )


def agreed(*pairs: tuple[Track, Track], simulated: bool = False, **settings: Any) -> dict[str, Any]:
    settings = {"tolerance_s": 0.0, "bin_minutes": 2.0, **settings}
    found = agreement_of(pairs, AgreementSettings(**settings), simulated=simulated)
    json.dumps(found, allow_nan=False)
    return found


def test_minutes_confusion_and_kappa_of_one_animal() -> None:
    found = agreed(pair("ggggrrrrww", "gggrrrrrwg"))["together"]
    assert found["confusion_min"] == [[3, 1, 0], [0, 4, 0], [1, 0, 1]]
    assert found["same_share"]["value"] == pytest.approx(0.8)
    expected = cohen_kappa_score(list("ggggrrrrww"), list("gggrrrrrwg"))
    assert found["kappa"]["time"]["value"] == pytest.approx(expected)
    assert found["kappa"]["grid"]["value"] == pytest.approx(expected)
    assert found["behaviours"]["resting"]["minutes"] == {"first": 4, "second": 5}
    assert found["behaviours"]["resting"]["min_per_hour"] == {"first": 24, "second": 30}
    assert found["kappa"]["time"]["interval"] is None and "one animal" in found["kappa"]["time"]["why"]


def test_unknown_answers_are_no_class_but_lower_the_coverage() -> None:
    found = agreed(pair("ggggrrrr..", "gguur.rrrr"))
    time = found["together"]["minutes"]
    assert found["classes"] == list(CLASSES)
    assert (time["first_knows"], time["both_know"], time["no_answer"], time["silent"]) == (8, 5, 2, 1)
    assert time["coverage"] == pytest.approx(5 / 8)
    assert found["together"]["same_share"]["value"] == 1
    assert any("no answer for 2.0 min" in sentence for sentence in found["sentences"])


def test_animals_stand_alone_and_together() -> None:
    pairs = [pair("ggggrrrr", "gggrrrrr", "cow1"), pair("ggrrwwgg", "ggrrwwgg", "cow2")]
    found = agreed(*pairs)
    assert list(found["animals"]) == ["cow1", "cow2"]
    assert found["animals"]["cow2"]["kappa"]["time"]["value"] == 1
    assert found["together"]["animals"] == 2
    grazing = found["together"]["behaviours"]["grazing"]
    assert grazing["sensitivity"]["bouts"] == 3 and grazing["sensitivity"]["animals"] == 2
    assert grazing["over_animals"]["targets"] == 2
    assert found["together"]["kappa"]["time"]["interval"] is not None


def test_sessions_of_one_animal_are_one_animal() -> None:
    session = pair("ggggrrrr", "gggrrrrr")
    twice, once = agreed(session, session), agreed(session)
    assert twice["together"]["animals"] == 1
    assert twice["together"]["minutes"]["both_know"] == 16
    assert twice["together"]["kappa"]["time"] == once["together"]["kappa"]["time"]
    assert twice["together"]["behaviours"]["grazing"]["sensitivity"]["bouts"] == 2


def test_intervals_count_bouts_and_animals_and_never_seconds() -> None:
    slow = agreed(pair("ggggrrrr", "gggrrrrr", "a"), pair("ggrrwwgg", "gwrrwwrg", "b"))
    fast_pairs = [
        tuple(
            track_of(
                t.animal, t.source, t.classes, list(zip(t.starts // 10, t.ends // 10, t.behaviours.tolist()))
            )
            for t in two
        )
        for two in (pair("ggggrrrr", "gggrrrrr", "a"), pair("ggrrwwgg", "gwrrwwrg", "b"))
    ]
    fast = agreed(*fast_pairs, bin_minutes=0.2)
    for key in ("sensitivity", "precision", "wanted"):
        one, other = (each["together"]["behaviours"]["grazing"][key] for each in (slow, fast))
        assert one == other
    one, other = (each["together"]["kappa"]["time"] for each in (slow, fast))
    assert one["value"] == pytest.approx(other["value"])
    assert one["interval"] == pytest.approx(other["interval"])


def test_the_clocks_uncertainty_widens_the_tolerance_and_is_stated() -> None:
    observer = track_of("cow1", "observer", CLASSES, [(0, 60 * NS, 0), (60 * NS, 120 * NS, 1)])
    tag = track_of("cow1", "tag", CLASSES, [(0, 63 * NS, 0), (63 * NS, 120 * NS, 1)])
    strict = agreed((observer, tag), tolerance_s=2.0)
    wide = agreed((observer, tag), tolerance_s=2.0, clock_uncertainty_s=1.0)
    assert strict["together"]["kappa"]["time_tolerant"]["value"] < 1
    assert wide["together"]["kappa"]["time_tolerant"]["value"] == pytest.approx(1)
    assert wide["settings"]["effective_tolerance_s"] == 3
    assert any("2 s asked for, 1 s for the clocks" in sentence for sentence in wide["sentences"])


def test_a_class_that_only_one_has_counts_as_disagreement_and_is_said() -> None:
    tag = track_of("cow1", "tag", ("grazing", "resting"), [(0, 8 * MINUTE, 0)])
    found = agreed((spelled("ggggrrww", unit_ns=MINUTE), tag))
    assert found["only_first"] == ["walking"] and found["only_second"] == []
    assert any("Only the observer has the class walking" in sentence for sentence in found["sentences"])
    assert found["together"]["behaviours"]["walking"]["sensitivity"]["value"] == 0


def test_the_order_of_the_classes_is_of_no_account() -> None:
    observer, tag = pair("ggrrwwggrwgr", "ggrwwwgrrwgg")
    plain = agreed((observer, tag))["together"]
    other = ("walking", "unknown", "grazing", "resting")
    moved = agreed((observer, tag.with_classes(other)))["together"]
    assert plain["kappa"] == moved["kappa"] and plain["behaviours"] == moved["behaviours"]


def test_what_is_undefined_is_none_and_says_why() -> None:
    found = agreed(pair("gggg", "gggg"))["together"]
    assert found["kappa"]["time"]["value"] is None and "chance" in found["kappa"]["time"]["why"]
    walking = found["behaviours"]["walking"]
    assert walking["sensitivity"]["value"] is None and "no bout" in walking["sensitivity"]["why"]
    assert walking["bins"]["ccc"]["value"] is None


def test_no_pair_and_no_common_time_give_no_figure() -> None:
    for pairs in ((), (pair("gggg....", "....gggg"),)):
        found = agreed(*pairs)
        assert found["together"]["kappa"]["time"]["value"] is None
        assert found["together"]["minutes"]["both_know"] == 0
        assert "There is no time" in found["sentences"][-1]


def test_simulated_data_are_called_so() -> None:
    session = pair("ggrr", "ggrr")
    assert agreed(session, simulated=True)["sentences"][0] == "These data are simulated."
    assert not any("simulated" in sentence for sentence in agreed(session)["sentences"])


def test_two_animals_are_no_pair() -> None:
    with pytest.raises(ValueError, match="cow1"):
        agreed((pair("gg", "gg", "cow1")[0], pair("gg", "gg", "cow2")[1]))


def test_rows_have_a_cell_for_each_column() -> None:
    rows = agreement_rows(agreed(pair("ggrrwg", "ggrwwg"))["together"])
    assert [row[0] for row in rows] == list(CLASSES)
    assert all(len(row) == len(agreement_columns(["the observer", "the tag"])) for row in rows)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tolerance_s", -1.0),
        ("clock_uncertainty_s", np.nan),
        ("overlap", 0.0),
        ("bin_minutes", 0.0),
        ("wanted_half_width", 0.5),
        ("level", 1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=name):
        AgreementSettings(**{name: value})


def test_two_observers_at_once_are_said_to_count_twice() -> None:
    session = pair("ggggrrrr", "gggrrrrr")
    later = tuple(
        track_of(
            t.animal, t.source, t.classes, list(zip(t.starts + 5 * MINUTE, t.ends + 5 * MINUTE, t.behaviours))
        )
        for t in session
    )
    found = agreed(session, later)
    assert found["together"]["minutes"]["twice"] == 3
    assert any("3.0 min of it stand in more than one pair" in sentence for sentence in found["sentences"])
    assert agreed(session, session, session)["together"]["minutes"]["twice"] == 16
    assert agreed(session, pair("ggggrrrr", "gggrrrrr", "cow2"))["together"]["minutes"]["twice"] == 0


def test_a_tolerance_longer_than_the_bouts_is_said_to_show_little() -> None:
    session = pair("grwgrwgrw", "rwgrwgrwg")
    assert not any("almost any answer" in sentence for sentence in agreed(session)["sentences"])
    found = agreed(session, clock_uncertainty_s=90.0)
    assert found["together"]["median_bout_s"] == 60
    assert any("almost any answer agrees" in sentence for sentence in found["sentences"])


def test_people_are_named_without_an_article() -> None:
    found = agreed(pair("ggrrwg", "ggrwwg"), names=("anna", "ben"))
    assert found["sentences"][0].startswith("Anna and ben gave the same behaviour")
    assert not any("the ben" in sentence or "the anna" in sentence for sentence in found["sentences"])


@pytest.mark.parametrize(
    "values", [{"tolerance_s": 1e12}, {"clock_uncertainty_s": 1e12}, {"bin_minutes": 1e9}, {"grid_s": 1e9}]
)
def test_settings_that_no_session_can_have_are_refused(values: dict[str, float]) -> None:
    """Trap: in ns they do not fit into 64 bits."""
    with pytest.raises(UserError, match="expected"):
        AgreementSettings(**values)  # type: ignore[arg-type]
