import numpy as np
import pytest
from builders.tracks import CLASSES, spelled, tracks
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from mcukd.metrics.agreement.elementary import elementary
from mcukd.metrics.agreement.time_kappa import (
    grid_counts,
    grid_kappa,
    time_kappa,
    tolerant_tables,
)
from mcukd.metrics.agreement.track import NOT_KNOWN, NS, Track, shared_time, track_of

MOMENTS = np.arange(80)


def test_the_example_of_cohen_1960() -> None:
    # Cohen (1960), table 2b, p. 45: 200 cases, 3 categories, kappa .492.
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    assert time_kappa(table) == pytest.approx(0.492, abs=0.0005)


def sampled(first: Track, second: Track) -> tuple[np.ndarray, np.ndarray]:
    one, other = first.at(MOMENTS), second.at(MOMENTS)
    known = (one != NOT_KNOWN) & (other != NOT_KNOWN)
    return one[known], other[known]


@settings(max_examples=40)
@given(tracks(), tracks())
def test_exact_kappa_equals_scikit_learns_of_every_single_moment(first: Track, second: Track) -> None:
    one, other = sampled(first, second)
    found = time_kappa(shared_time(first, second))
    if len(set(one.tolist()) | set(other.tolist())) < 2:
        assert found is None
    else:
        assert found == pytest.approx(cohen_kappa_score(one, other))


@settings(max_examples=40)
@given(tracks(), tracks(), st.integers(0, 6))
def test_tolerance_is_that_of_every_single_moment(first: Track, second: Track, tolerance: int) -> None:
    expected = np.zeros((2, 3, 3), np.int64)
    for moment in MOMENTS:
        one, other = int(first.at(moment)), int(second.at(moment))
        if NOT_KNOWN in (one, other):
            continue
        near = np.arange(moment - tolerance, moment + tolerance + 1)
        expected[0, one, one if one in second.at(near) else other] += 1
        expected[1, other if other in first.at(near) else one, other] += 1
    found = tolerant_tables(elementary(first, second, tolerance))
    assert np.array_equal(found, expected)


@settings(max_examples=40)
@given(tracks(), tracks())
def test_no_tolerance_is_tolerance_nought(first: Track, second: Track) -> None:
    pieces = elementary(first, second, 0)
    for table in tolerant_tables(pieces):
        assert np.array_equal(table, shared_time(first, second))


@settings(max_examples=40)
@given(tracks(), tracks(), st.integers(0, 6))
def test_exchanged_tracks_exchange_the_two_tolerant_tables(
    first: Track, second: Track, tolerance: int
) -> None:
    of_first, of_second = tolerant_tables(elementary(first, second, tolerance))
    other_first, other_second = tolerant_tables(elementary(second, first, tolerance))
    assert np.array_equal(of_first, other_second.T)
    assert np.array_equal(of_second, other_first.T)


@settings(max_examples=40)
@given(tracks(), st.integers(0, 6))
def test_identical_tracks_agree_wholly(track: Track, tolerance: int) -> None:
    for table in tolerant_tables(elementary(track, track, tolerance)):
        assert time_kappa(table) in (None, pytest.approx(1.0))


@settings(max_examples=40)
@given(tracks(), tracks(), st.permutations(CLASSES), st.integers(0, 4))
def test_the_order_of_the_classes_is_of_no_account(
    first: Track, second: Track, order: list[str], tolerance: int
) -> None:
    plain = tolerant_tables(elementary(first, second, tolerance))
    moved = tolerant_tables(elementary(first.with_classes(order), second.with_classes(order), tolerance))
    for one, other in zip(plain, moved):
        assert time_kappa(one) == (None if time_kappa(other) is None else pytest.approx(time_kappa(other)))


def test_tolerance_is_not_symmetric() -> None:
    # The tag alone sees one second of walking. The observer never says walking, so it disagrees for the
    # tag; for the observer there is grazing of the tag's within a second of it.
    observer, tag = spelled("gggggrrr"), spelled("gggwgrrr", source="tag")
    of_first, of_second = tolerant_tables(elementary(observer, tag, NS))
    assert of_first.sum() - np.trace(of_first) == 0
    assert (of_second.sum() - np.trace(of_second)) / NS == 1


def test_an_onset_late_by_the_tolerance_agrees_and_by_more_does_not() -> None:
    observer = track_of("cow1", "observer", CLASSES, [(0, 10 * NS, 0), (10 * NS, 20 * NS, 1)])
    for late, disagreeing in ((2 * NS, 0), (2 * NS + 1, 1)):
        tag = track_of("cow1", "tag", CLASSES, [(0, 10 * NS + late, 0), (10 * NS + late, 20 * NS, 1)])
        of_first, _ = tolerant_tables(elementary(observer, tag, 2 * NS))
        assert of_first.sum() - np.trace(of_first) == disagreeing


@settings(max_examples=40)
@given(tracks(1), tracks(1))
def test_a_grid_of_every_moment_gives_the_exact_kappa(first: Track, second: Track) -> None:
    exact = time_kappa(shared_time(first, second))
    assert grid_kappa(first, second, 1) == (None if exact is None else pytest.approx(exact))


def test_a_coarse_grid_misses_short_bouts() -> None:
    observer, tag = spelled("ggggrrrrggggrrrr"), spelled("ggggrrwrggggrrrr", source="tag")
    assert grid_kappa(observer, tag, 4 * NS) == 1
    assert time_kappa(shared_time(observer, tag)) < 1


def test_no_variation_is_none_where_boris_says_one() -> None:
    assert grid_kappa(spelled("gggg"), spelled("gggg"), NS) is None


def test_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="classes"):
        elementary(spelled("gr"), spelled("gr", classes=("grazing", "resting")))


def test_a_step_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="step"):
        grid_kappa(spelled("gr"), spelled("gr"), 0)


def test_two_hours_a_month_apart_cost_no_grid_in_between() -> None:
    month = 30 * 86400 * NS
    hour = [(0, 1800 * NS, 0), (1800 * NS, 3600 * NS, 1)]
    later = [(low + month, high + month, k) for low, high, k in hour]
    track = track_of("cow1", "s", CLASSES, [*hour, *later])
    assert grid_counts(track, track, NS).sum() == 7200
