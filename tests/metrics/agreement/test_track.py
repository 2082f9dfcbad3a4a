import numpy as np
import pytest
from builders.tracks import CLASSES, tracks
from hypothesis import given

from mcukd.metrics.agreement.track import NOT_KNOWN, Track, common_spans, shared_time, track_of

MOMENTS = np.arange(80)


@given(tracks())
def test_bouts_say_the_same_and_are_maximal(track: Track) -> None:
    bouts = track.bouts()
    assert np.array_equal(bouts.at(MOMENTS), track.at(MOMENTS))
    touching = bouts.starts[1:] == bouts.ends[:-1]
    assert not np.any(touching & (bouts.behaviours[1:] == bouts.behaviours[:-1]))
    assert np.array_equal(bouts.totals(), [np.sum(track.at(MOMENTS) == k) for k in range(3)])


@given(tracks(), tracks())
def test_shared_time_is_counted_moment_by_moment(first: Track, second: Track) -> None:
    one, other = first.at(MOMENTS), second.at(MOMENTS)
    expected = [[int(np.sum((one == i) & (other == j))) for j in range(3)] for i in range(3)]
    assert shared_time(first, second).tolist() == expected
    inside = np.zeros(len(MOMENTS), bool)
    for low, high in common_spans(first, second):
        inside[low:high] = True
    assert np.array_equal(inside, (one != NOT_KNOWN) & (other != NOT_KNOWN))


@given(tracks(), tracks())
def test_within_keeps_what_lies_in_the_spans(track: Track, other: Track) -> None:
    spans = other.spans()
    inside = other.at(MOMENTS) != NOT_KNOWN
    assert np.array_equal(track.within(spans).at(MOMENTS), np.where(inside, track.at(MOMENTS), NOT_KNOWN))


def test_with_classes_follows_the_names() -> None:
    track = track_of("a", "s", CLASSES, [(0, 5, 2), (5, 6, 0)])
    assert track.with_classes(["walking", "grazing"]).behaviours.tolist() == [0, 1]
    with pytest.raises(ValueError, match="lack grazing"):
        track.with_classes(["walking", "resting"])


@pytest.mark.parametrize(
    ("intervals", "match"),
    [([(3, 3, 0)], "empty"), ([(0, 5, 0), (4, 6, 1)], "overlap"), ([(0, 5, 3)], "no index")],
)
def test_what_is_no_track_is_refused(intervals: list[tuple[int, int, int]], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        track_of("a", "s", CLASSES, intervals)
