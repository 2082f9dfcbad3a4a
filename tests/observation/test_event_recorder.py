"""An observer's event recorder: what it takes, what it refuses, and what it holds when opened again."""

import errno
import os

import pytest
from builders.session import BEGAN, NS, facts, step_clock

from mcukd.errors import UserError
from mcukd.observation.event_recorder import EventRecorder
from mcukd.observation.events import Begin, Scanned
from mcukd.observation.folder import mark_alive, observer_path, read_events
from mcukd.observation.state import BREAK_NS

COW = "cow-07"


@pytest.fixture
def clock():
    return step_clock()


@pytest.fixture
def recorder(tmp_path, clock):
    return EventRecorder(tmp_path, facts(), "anna", clock)


def at(clock, seconds):
    clock.time_ns = BEGAN + round(seconds * NS)


def test_a_key_is_on_disk_when_it_is_taken(tmp_path, recorder, clock):
    at(clock, 3)
    event = recorder.press(COW, "grazing")
    assert event.what == Begin(COW, "grazing") and event.utc_ns == BEGAN + 3 * NS
    assert read_events(observer_path(tmp_path, "anna"), recorder.facts)[-1] == event
    assert recorder.state().animals[COW].behaviour == "grazing"


def test_keys_that_make_no_sense_are_refused_and_not_written(tmp_path, recorder, clock):
    before = observer_path(tmp_path, "anna").read_bytes()
    for taking, message in (
        (lambda: recorder.press("cow-7", "grazing"), "did you mean 'cow-07'"),
        (lambda: recorder.press(COW, "grasing"), "did you mean 'grazing'"),
        (lambda: recorder.press(COW, "grazing", BEGAN - NS), "1.0 s before the session"),
        (lambda: recorder.press(COW, "grazing", BEGAN + 60 * NS), "60.0 s ahead of now"),
        (lambda: recorder.undo(), "nothing to undo"),
        (lambda: recorder.undo(1), "cannot be undone"),
        (lambda: recorder.undo(9), "there is no event 9"),
        (lambda: recorder.resume(), "not paused"),
        (lambda: recorder.note("  "), "a note has 1 to"),
        (lambda: recorder.sample("scan", 1), "2 to 86400 s, not 1 s"),
        (lambda: recorder.correct(1, "grazing"), "cannot be of behaviour"),
    ):
        with pytest.raises(UserError, match=message):
            taking()
    assert observer_path(tmp_path, "anna").read_bytes() == before


def test_a_full_disk_takes_no_key_and_the_next_one_is_taken(recorder, monkeypatch):
    real = os.fsync
    with monkeypatch.context() as patch:

        def full(handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="no space is left on the disk"):
            recorder.press(COW, "grazing")
    assert os.fsync is real
    assert recorder.problem and recorder.state().animals[COW].behaviour is None
    assert recorder.press(COW, "walking").number == 2
    assert recorder.problem is None and recorder.state().animals[COW].behaviour == "walking"


def test_a_press_that_is_sent_twice_counts_once_even_after_a_pause(recorder):
    first = recorder.press(COW, "grazing", press="p1")
    recorder.pause()
    assert recorder.press(COW, "grazing", press="p1") == first
    assert len(recorder.events) == 3


def test_a_press_that_is_sent_again_after_the_program_ended_counts_once(tmp_path, recorder, clock):
    first = recorder.press(COW, "grazing", press="p1")
    recorder.close()
    again = EventRecorder(tmp_path, facts(), "anna", clock)
    assert again.press(COW, "grazing", press="p1") == first


def test_undo_without_a_number_takes_back_one_after_another(recorder):
    recorder.press(COW, "grazing")
    recorder.press(COW, "walking")
    recorder.undo()
    assert recorder.state().animals[COW].behaviour == "grazing"
    recorder.undo()
    assert recorder.state().animals[COW].behaviour is None
    with pytest.raises(UserError, match="nothing to undo"):
        recorder.undo()
    recorder.undo(5)  # the second undo
    assert recorder.state().animals[COW].behaviour == "grazing"


def test_in_scan_sampling_a_key_is_a_scan(recorder):
    recorder.sample("scan", 30)
    assert isinstance(recorder.press(COW, "grazing").what, Scanned)
    recorder.sample("focal")
    assert isinstance(recorder.press(COW, "grazing").what, Begin)


def test_a_pause_takes_notes_and_no_behaviours(recorder):
    recorder.pause()
    recorder.note("rain")
    with pytest.raises(UserError, match="paused; resume it first"):
        recorder.press(COW, "grazing")
    recorder.resume()
    recorder.press(COW, "grazing")


def test_an_ended_session_goes_on_when_it_is_opened_again(tmp_path, recorder, clock):
    recorder.press(COW, "grazing")
    recorder.end()
    with pytest.raises(UserError, match="has ended"):
        recorder.press(COW, "walking")
    recorder.close()
    again = EventRecorder(tmp_path, facts(), "anna", clock)
    again.press(COW, "walking")
    assert again.state().animals[COW].behaviour == "walking"


def test_opened_again_at_once_nothing_differs(tmp_path, recorder, clock):
    recorder.press(COW, "grazing")
    at(clock, 7)
    recorder.note("x")
    before = recorder.state(BEGAN + 60 * NS)
    recorder.close()
    again = EventRecorder(tmp_path, facts(), "anna", clock).state(BEGAN + 60 * NS)
    assert (again.animals, again.intervals) == (before.animals, before.intervals)


def test_opened_again_after_long_the_time_between_is_not_known(tmp_path, recorder, clock):
    recorder.press(COW, "grazing")
    recorder.close()
    mark_alive(tmp_path, "anna", BEGAN + 20 * NS)
    at(clock, 25 + BREAK_NS / NS)
    again = EventRecorder(tmp_path, facts(), "anna", clock)
    assert again.state().intervals[COW] == [(BEGAN, BEGAN + 20 * NS, "grazing")]
    assert again.state().animals[COW].behaviour is None


def test_a_name_that_is_no_files_is_refused(tmp_path, clock):
    for name in ("", "../anna", "a b", "x" * 41, "anna/ben", ".anna"):
        with pytest.raises(UserError, match="letters, digits, - and _"):
            EventRecorder(tmp_path, facts(), name, clock)
    assert not list(tmp_path.iterdir())
