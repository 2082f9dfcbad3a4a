import numpy as np
from builders.tracks import spelled, tracks
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.metrics.agreement.bouts import BoutCounts, found_bouts
from mcukd.metrics.agreement.track import NOT_KNOWN, NS, Track


def counted(one: Track, other: Track, tolerance: int = 0, overlap: float = 0.5) -> list[list[int]]:
    found = found_bouts(one, other, tolerance, overlap, 0.5)
    return [found.found.tolist(), found.counted.tolist(), found.left_out.tolist()]


def test_a_bout_is_found_where_the_other_says_the_same_for_half_of_it() -> None:
    observer = spelled("ggggrrrrwwww")
    assert counted(observer, spelled("ggwwrwwwwwww")) == [[1, 0, 1], [1, 1, 1], [0, 0, 0]]


def test_one_long_bout_that_is_found_counts_no_more_than_one_short_bout_that_is_not() -> None:
    observer = spelled("g" * 3600 + "w" + "r" * 10)
    assert counted(observer, spelled("g" * 3601 + "r" * 10)) == [[1, 1, 0], [1, 1, 1], [0, 0, 0]]


def test_pieces_of_the_tag_add_up_to_one_bout_of_the_observer() -> None:
    observer, tag = spelled("gggggggggg"), spelled("gwgwgwgwgg")
    assert counted(observer, tag) == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    # Seen from the tag, every piece of grazing is confirmed and no walking is.
    assert counted(tag, observer) == [[5, 0, 0], [5, 0, 4], [0, 0, 0]]


def test_a_bout_that_comes_late_is_found_within_the_tolerance() -> None:
    observer, tag = spelled("gggwwggggg"), spelled("gggggwwggg")
    assert counted(observer, tag)[0] == [2, 0, 0]
    assert counted(observer, tag, 2 * NS)[0] == [2, 0, 1]


def test_a_bout_of_which_too_little_is_known_is_left_out() -> None:
    observer, tag = spelled("ggggggrrrr"), spelled("....ggrrrr")
    assert counted(observer, tag) == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_a_gap_of_the_tag_does_not_cut_the_observers_bout_in_two() -> None:
    observer, tag = spelled("gggggggg"), spelled("ggg.gggg")
    assert counted(observer, tag) == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert counted(tag, observer) == [[2, 0, 0], [2, 0, 0], [0, 0, 0]]


def test_counts_of_sessions_add_up() -> None:
    one = BoutCounts(*(np.array([k, 0]) for k in (1, 2, 3)))
    both = one + one
    assert [both.found.tolist(), both.counted.tolist(), both.left_out.tolist()] == [[2, 0], [4, 0], [6, 0]]


@settings(max_examples=40)
@given(tracks(), tracks(), st.integers(0, 4), st.sampled_from([0.25, 0.5, 1.0]))
def test_bouts_are_counted_moment_by_moment(
    first: Track, second: Track, tolerance: int, overlap: float
) -> None:
    found, of, left_out = (np.zeros(3, np.int64) for _ in range(3))
    bouts = first.bouts()
    for low, high, behaviour in zip(bouts.starts, bouts.ends, bouts.behaviours):
        moments = np.arange(low, high)
        known = moments[second.at(moments) != NOT_KNOWN]
        same = [behaviour in second.at(np.arange(t - tolerance, t + tolerance + 1)) for t in known]
        enough = len(known) > 0 and len(known) >= 0.5 * len(moments)
        of[behaviour] += enough
        left_out[behaviour] += not enough
        found[behaviour] += enough and sum(same) >= overlap * len(known)
    counts = found_bouts(first, second, tolerance, overlap, 0.5)
    assert [counts.found.tolist(), counts.counted.tolist(), counts.left_out.tolist()] == [
        found.tolist(),
        of.tolist(),
        left_out.tolist(),
    ]


@settings(max_examples=40)
@given(tracks())
def test_a_track_finds_all_its_own_bouts(track: Track) -> None:
    counts = found_bouts(track, track, 0, 1.0, 1.0)
    assert np.array_equal(counts.found, counts.counted) and not counts.left_out.any()
