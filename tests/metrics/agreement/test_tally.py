import numpy as np
from builders.tracks import tracks
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.tally import counted_twice, joined, split_answers, tally_of
from mcukd.metrics.agreement.track import Track

SETTINGS = AgreementSettings(tolerance_s=1e-9, no_answer=("walking",))


@settings(max_examples=40)
@given(st.lists(tracks(), max_size=4))
def test_time_counted_twice_is_counted_moment_by_moment(several: list[Track]) -> None:
    moments = np.zeros(80, int)
    for track in several:
        moments += track.at(np.arange(80)) >= 0
    spans = np.concatenate([np.zeros((0, 2), np.int64), *(track.spans() for track in several)])
    assert counted_twice(spans) == np.maximum(moments - 1, 0).sum()


@settings(max_examples=40)
@given(tracks(), tracks())
def test_what_the_first_knows_is_answered_or_not_or_silent(first: Track, second: Track) -> None:
    tally = tally_of(first, second, first.classes[:2], SETTINGS)
    assert tally.first_knows == tally.table.sum() + tally.no_answer + tally.silent
    moments = np.arange(80)
    known = np.isin(first.at(moments), (0, 1))
    assert tally.no_answer == np.sum(known & (second.at(moments) == 2))
    assert tally.silent == np.sum(known & (second.at(moments) == -1))


@settings(max_examples=40)
@given(tracks())
def test_answers_and_no_answers_make_up_the_track(track: Track) -> None:
    answers, none = split_answers(track, SETTINGS)
    assert answers.durations.sum() + none.durations.sum() == track.durations.sum()
    assert set(none.behaviours.tolist()) <= {2} and 2 not in answers.behaviours


@settings(max_examples=40)
@given(tracks(), tracks())
def test_a_joined_tally_counts_both(first: Track, second: Track) -> None:
    one = tally_of(first, second, first.classes[:2], SETTINGS)
    other = tally_of(second, first, first.classes[:2], SETTINGS)
    both = joined([one, other])
    assert np.array_equal(both.events, one.events + other.events)
    assert np.array_equal(both.sensitivity.counted, one.sensitivity.counted + other.sensitivity.counted)
    assert len(both.bins_first) == len(one.bins_first) + len(other.bins_first)
