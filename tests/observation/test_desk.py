"""An observer's desk: what is taken, what is refused, and what is there after it was opened again."""

import errno
import os

import pytest
from builders.session import BEGAN, NS, facts, step_clock

from mcukd.errors import UserError
from mcukd.observation.desk import Desk
from mcukd.observation.events import Begin, Scanned
from mcukd.observation.folder import mark_alive, observer_path, read_events
from mcukd.observation.state import BREAK_NS

COW = "cow-07"


@pytest.fixture
def clock():
    return step_clock()


@pytest.fixture
def desk(tmp_path, clock):
    return Desk(tmp_path, facts(), "anna", clock)


def at(clock, seconds):
    clock.time_ns = BEGAN + round(seconds * NS)


def test_a_key_is_on_disk_when_it_is_taken(tmp_path, desk, clock):
    at(clock, 3)
    event = desk.press(COW, "grazing")
    assert event.what == Begin(COW, "grazing") and event.utc_ns == BEGAN + 3 * NS
    assert read_events(observer_path(tmp_path, "anna"), desk.facts)[-1] == event
    assert desk.state().animals[COW].behaviour == "grazing"


def test_keys_that_make_no_sense_are_refused_and_not_written(tmp_path, desk, clock):
    before = observer_path(tmp_path, "anna").read_bytes()
    for taking, message in (
        (lambda: desk.press("cow-7", "grazing"), "did you mean 'cow-07'"),
        (lambda: desk.press(COW, "grasing"), "did you mean 'grazing'"),
        (lambda: desk.press(COW, "grazing", BEGAN - NS), "1.0 s before the session"),
        (lambda: desk.press(COW, "grazing", BEGAN + 60 * NS), "60.0 s ahead of now"),
        (lambda: desk.undo(), "nothing to undo"),
        (lambda: desk.undo(1), "cannot be undone"),
        (lambda: desk.undo(9), "there is no event 9"),
        (lambda: desk.resume(), "not paused"),
        (lambda: desk.note("  "), "a note has 1 to"),
        (lambda: desk.sample("scan", 1), "2 to 86400 s, not 1 s"),
        (lambda: desk.correct(1, "grazing"), "cannot be of behaviour"),
    ):
        with pytest.raises(UserError, match=message):
            taking()
    assert observer_path(tmp_path, "anna").read_bytes() == before


def test_a_full_disk_takes_no_key_and_the_next_one_is_taken(desk, monkeypatch):
    real = os.fsync
    with monkeypatch.context() as patch:

        def full(handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="no space is left on the disk"):
            desk.press(COW, "grazing")
    assert os.fsync is real
    assert desk.problem and desk.state().animals[COW].behaviour is None
    assert desk.press(COW, "walking").number == 2
    assert desk.problem is None and desk.state().animals[COW].behaviour == "walking"


def test_a_press_that_is_sent_twice_counts_once_even_after_a_pause(desk):
    first = desk.press(COW, "grazing", press="p1")
    desk.pause()
    assert desk.press(COW, "grazing", press="p1") == first
    assert len(desk.events) == 3


def test_a_press_that_is_sent_again_after_the_program_ended_counts_once(tmp_path, desk, clock):
    first = desk.press(COW, "grazing", press="p1")
    desk.close()
    again = Desk(tmp_path, facts(), "anna", clock)
    assert again.press(COW, "grazing", press="p1") == first


def test_undo_without_a_number_takes_back_one_after_another(desk):
    desk.press(COW, "grazing")
    desk.press(COW, "walking")
    desk.undo()
    assert desk.state().animals[COW].behaviour == "grazing"
    desk.undo()
    assert desk.state().animals[COW].behaviour is None
    with pytest.raises(UserError, match="nothing to undo"):
        desk.undo()
    desk.undo(5)  # the second undo
    assert desk.state().animals[COW].behaviour == "grazing"


def test_in_scan_sampling_a_key_is_a_scan(desk):
    desk.sample("scan", 30)
    assert isinstance(desk.press(COW, "grazing").what, Scanned)
    desk.sample("focal")
    assert isinstance(desk.press(COW, "grazing").what, Begin)


def test_a_pause_takes_notes_and_no_behaviours(desk):
    desk.pause()
    desk.note("rain")
    with pytest.raises(UserError, match="paused; resume it first"):
        desk.press(COW, "grazing")
    desk.resume()
    desk.press(COW, "grazing")


def test_an_ended_session_goes_on_when_it_is_opened_again(tmp_path, desk, clock):
    desk.press(COW, "grazing")
    desk.end()
    with pytest.raises(UserError, match="has ended"):
        desk.press(COW, "walking")
    desk.close()
    again = Desk(tmp_path, facts(), "anna", clock)
    again.press(COW, "walking")
    assert again.state().animals[COW].behaviour == "walking"


def test_opened_again_at_once_nothing_differs(tmp_path, desk, clock):
    desk.press(COW, "grazing")
    at(clock, 7)
    desk.note("x")
    before = desk.state(BEGAN + 60 * NS)
    desk.close()
    again = Desk(tmp_path, facts(), "anna", clock).state(BEGAN + 60 * NS)
    assert (again.animals, again.intervals) == (before.animals, before.intervals)


def test_opened_again_after_long_the_time_between_is_not_known(tmp_path, desk, clock):
    desk.press(COW, "grazing")
    desk.close()
    mark_alive(tmp_path, "anna", BEGAN + 20 * NS)
    at(clock, 25 + BREAK_NS / NS)
    again = Desk(tmp_path, facts(), "anna", clock)
    assert again.state().intervals[COW] == [(BEGAN, BEGAN + 20 * NS, "grazing")]
    assert again.state().animals[COW].behaviour is None


def test_a_name_that_is_no_files_is_refused(tmp_path, clock):
    for name in ("", "../anna", "a b", "x" * 41, "anna/ben", ".anna"):
        with pytest.raises(UserError, match="letters, digits, - and _"):
            Desk(tmp_path, facts(), name, clock)
    assert not list(tmp_path.iterdir())
