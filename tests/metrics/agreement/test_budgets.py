import numpy as np
import pytest
from builders.tracks import spelled, tracks
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.metrics.agreement.budgets import binned, over_bins, over_targets
from mcukd.metrics.agreement.track import NS, Track, shared_time


@settings(max_examples=40)
@given(tracks(), tracks(), st.integers(1, 10))
def test_bins_add_up_to_the_time_both_know(first: Track, second: Track, length: int) -> None:
    bins, shared = binned(first, second, length), shared_time(first, second)
    assert np.array_equal(bins.first.sum(0), shared.sum(1))
    assert np.array_equal(bins.second.sum(0), shared.sum(0))
    assert np.all(bins.known > 0) and np.all(bins.known <= length)


def test_bins_begin_at_the_first_moment_both_know() -> None:
    bins = binned(spelled("..ggggrrrrw"), spelled(".rrrrrrrrrw"), 4 * NS)
    assert (bins.first / NS).tolist() == [[4, 0, 0], [0, 4, 0], [0, 0, 1]]
    assert (bins.known / NS).tolist() == [4, 4, 1]
    first, _ = bins.rates(bins.known >= 4 * NS)
    assert first.tolist() == [[60, 0, 0], [0, 60, 0]]


def test_months_between_two_sessions_cost_no_bins() -> None:
    month = 30 * 86400
    track = spelled("gggg")
    later = track.within(np.array([[0, 2 * NS]]))
    both = Track(
        "cow1",
        "s",
        track.classes,
        np.array([0, month * NS]),
        np.array([2 * NS, month * NS + NS]),
        np.array([0, 0]),
    )
    assert len(binned(both, both, NS).known) == 3
    assert len(binned(later, later, NS).known) == 2


def test_bins_of_one_animal_have_no_interval_and_say_why() -> None:
    found = over_bins(np.array([1.0, 2, 5]), np.array([2.0, 2, 7]), np.zeros(3, int))
    assert found["targets"] == 3 and found["bias"]["value"] == pytest.approx(1)
    assert found["ccc"]["interval"] is None and "one animal" in found["ccc"]["why"]


def test_intervals_over_animals_are_wider_than_bins_would_make_them() -> None:
    rng = np.random.default_rng(1)
    offsets = np.repeat(rng.normal(0, 5, 6), 50)
    first = rng.uniform(10, 40, 300)
    second = first + offsets + rng.normal(0, 1, 300)
    by_animal = over_bins(first, second, np.repeat(np.arange(6), 50))["bias"]["interval"]
    as_if_independent = over_targets(first, second)["bias"]["interval"]
    assert np.diff(by_animal)[0] > 3 * np.diff(as_if_independent)[0]


def test_nothing_and_one_target_say_why() -> None:
    assert over_targets(np.zeros(0), np.zeros(0))["bias"]["why"] == "nothing to compare"
    one = over_targets(np.array([2.0]), np.array([3.0]))
    assert one["bias"] == {"value": 1.0, "interval": None, "why": "one target only"}
    same = over_targets(np.zeros(3), np.zeros(3))
    assert same["ccc"] == {"value": None, "interval": None, "why": "no variation between targets"}
