"""What an observer's events come to."""

import numpy as np
from builders.session import BEGAN, CLASSES, NS
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.observation.events import (
    Began,
    Begin,
    Correct,
    Ended,
    Event,
    Note,
    OutOfSight,
    Paused,
    Reopened,
    Resumed,
    Sampling,
    Scanned,
    Taps,
    Undo,
    entry_of,
    event_of,
)
from mcukd.observation.state import BREAK_NS, observer_tracks, standings_of, state_of, taps_of

COW, OTHER = "cow-07", "cow-08"


def events(*told):
    """Events of (seconds, what), the first of which is number 2, behind `Began` at 0 s."""
    listed = [(0, Began()), *told]
    return [
        Event(number, BEGAN + round(seconds * NS), "anna", what)
        for number, (seconds, what) in enumerate(listed, start=1)
    ]


def intervals(told, until, animal=COW):
    found = state_of(told, (COW, OTHER), BEGAN + round(until * NS)).intervals.get(animal, [])
    return [((start - BEGAN) / NS, (end - BEGAN) / NS, name) for start, end, name in found]


def test_a_behaviour_goes_on_until_the_animals_next_one_and_up_to_now():
    told = events(
        (1, Begin(COW, "grazing")),
        (4, Begin(OTHER, "resting")),
        (9, Begin(COW, "walking")),
        (12, Note("wind")),
    )
    assert intervals(told, 20) == [(1, 9, "grazing"), (9, 20, "walking")]
    assert intervals(told, 20, OTHER) == [(4, 20, "resting")]
    assert intervals(told, 5) == [(1, 5, "grazing")]
    assert state_of(told, (COW,), BEGAN + 20 * NS).animals[COW].behaviour == "walking"


def test_out_of_sight_and_a_pause_are_not_known_and_a_key_begins_anew():
    told = events(
        (1, Begin(COW, "grazing")),
        (3, OutOfSight(COW)),
        (6, Begin(COW, "resting")),
        (8, Paused()),
        (12, Resumed()),
        (15, Begin(COW, "resting")),
        (20, Ended()),
    )
    assert intervals(told, 99) == [(1, 3, "grazing"), (6, 8, "resting"), (15, 20, "resting")]
    assert state_of(told, (COW,), BEGAN + 99 * NS).ended


def test_an_undo_takes_an_event_back_and_an_undo_of_it_brings_it_back():
    first = [(1, Begin(COW, "grazing")), (3, Begin(COW, "walking"))]
    assert intervals(events(*first, (5, Undo(3))), 9) == [(1, 9, "grazing")]
    assert intervals(events(*first, (5, Undo(3)), (6, Undo(4))), 9) == [(1, 3, "grazing"), (3, 9, "walking")]


def test_an_undo_of_a_later_event_does_not_count():
    assert intervals(events((1, Undo(3)), (2, Begin(COW, "grazing"))), 9) == [(2, 9, "grazing")]


def test_corrections_change_behaviour_and_time_and_can_be_undone():
    first = [(1, Begin(COW, "grazing")), (5, Begin(COW, "walking"))]
    told = events(*first, (6, Correct(3, "resting")), (7, Correct(3, to_ns=BEGAN + 3 * NS)))
    assert intervals(told, 9) == [(1, 3, "grazing"), (3, 9, "resting")]
    assert standings_of(told)[2].corrected
    undone = events(*first, (6, Correct(3, "resting", BEGAN + 3 * NS)), (7, Undo(4)))
    assert intervals(undone, 9) == [(1, 5, "grazing"), (5, 9, "walking")]


def test_a_correction_may_move_an_event_before_another():
    told = events(
        (1, Begin(COW, "grazing")), (5, Begin(COW, "walking")), (9, Correct(3, to_ns=BEGAN + NS // 2))
    )
    assert intervals(told, 9) == [(0.5, 1, "walking"), (1, 9, "grazing")]


def test_a_short_break_of_the_program_changes_nothing_and_a_long_one_is_not_known():
    alive = BEGAN + 10 * NS
    short = events((1, Begin(COW, "grazing")), (10 + BREAK_NS / NS, Reopened(alive)))
    assert intervals(short, 99) == [(1, 99, "grazing")]
    long = events(
        (1, Begin(COW, "grazing")), (11 + BREAK_NS / NS, Reopened(alive)), (50, Begin(COW, "resting"))
    )
    assert intervals(long, 99) == [(1, 10, "grazing"), (50, 99, "resting")]
    assert state_of(long, (COW,), BEGAN + 99 * NS).unseen_ns == BREAK_NS + NS


def test_a_scan_is_known_for_a_second():
    told = events((0, Sampling("scan", 60)), (60, Scanned(COW, "grazing")), (61.5, Scanned(OTHER, "resting")))
    assert intervals(told, 99) == [(60, 61, "grazing")]
    assert intervals(told, 61.7, OTHER) == [(61.5, 61.7, "resting")]
    twice = events((0, Sampling("scan", 60)), (60, Scanned(COW, "grazing")), (60.4, Scanned(COW, "resting")))
    assert intervals(twice, 99) == [(60, 60.4, "grazing"), (60.4, 61.4, "resting")]


def test_taps_are_gathered_and_undone_ones_left_out():
    told = events((1, Taps((BEGAN + NS,))), (2, Taps((BEGAN + 2 * NS,))), (3, Undo(2)))
    assert taps_of(told) == [BEGAN + 2 * NS]


_WHAT = st.one_of(
    st.builds(Begin, st.sampled_from((COW, OTHER)), st.sampled_from(CLASSES)),
    st.builds(Scanned, st.sampled_from((COW, OTHER)), st.sampled_from(CLASSES)),
    st.builds(OutOfSight, st.sampled_from((COW, OTHER))),
    st.just(Paused()),
    st.just(Resumed()),
    st.just(Ended()),
    st.builds(Note, st.text(min_size=1, max_size=20), st.none() | st.just(COW)),
    st.builds(Undo, st.integers(1, 12)),
    st.builds(
        Correct,
        st.integers(1, 12),
        st.none() | st.sampled_from(CLASSES),
        st.none() | st.integers(0, 60).map(lambda seconds: BEGAN + seconds * NS),
    ),
    st.builds(Sampling, st.just("scan"), st.integers(2, 30)),
    st.builds(Sampling, st.just("focal")),
    st.builds(Reopened, st.integers(0, 60).map(lambda seconds: BEGAN + seconds * NS)),
    st.builds(Taps, st.lists(st.integers(0, 1 << 60), min_size=1, max_size=3).map(tuple)),
)


@settings(max_examples=60, deadline=None)
@given(told=st.lists(st.tuples(st.floats(0, 100), _WHAT), max_size=12), until=st.floats(0, 120))
def test_any_events_make_tracks_and_come_back_from_their_entries(told, until):
    listed = events(*sorted(told, key=lambda one: one[0]))
    end = BEGAN + round(until * NS)
    for track in observer_tracks(listed, (COW, OTHER), CLASSES, end):
        assert not len(track) or track.ends[-1] <= end
        assert np.all(track.behaviours < len(CLASSES))
    back = [event_of({**entry_of(each), "number": each.number}, "here") for each in listed]
    assert back == listed


@settings(max_examples=60, deadline=None)
@given(told=st.lists(st.tuples(st.floats(0, 100), _WHAT), max_size=12))
def test_what_is_known_earlier_does_not_change_by_looking_later(told):
    listed = events(
        *sorted((one for one in told if not isinstance(one[1], Reopened)), key=lambda one: one[0])
    )
    early = state_of(listed, (COW, OTHER), BEGAN + 50 * NS).intervals
    late = state_of(listed, (COW, OTHER), BEGAN + 200 * NS).intervals
    for animal, found in early.items():
        cut = [
            (a, min(b, BEGAN + 50 * NS), name) for a, b, name in late.get(animal, []) if a < BEGAN + 50 * NS
        ]
        assert found == cut
