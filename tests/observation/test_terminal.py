"""The terminal screen: what keys do, and what is shown."""

import asyncio
import errno
import os

import pytest
from builders.session import BEGAN, CLASSES, NS, facts, step_clock, told

from mcukd.observation.events import Begin, Correct, Note, OutOfSight, Taps
from mcukd.observation.session import Session
from mcukd.observation.terminal.app import ObserveApp
from mcukd.observation.terminal.ethogram import cells
from mcukd.observation.terminal.panels import figures

COW, OTHER = "cow-07", "cow-08"


@pytest.fixture
def clock():
    return step_clock()


@pytest.fixture
def session(tmp_path, clock):
    with Session.begin(tmp_path / "meadow", facts(), clock) as session:
        yield session


def driven(session, steps, size=(110, 40)):
    """Run the app, drive it by `steps(app, pilot)`, and return the texts of its parts."""

    async def run():
        app = ObserveApp(session, "anna")
        async with app.run_test(size=size) as pilot:
            await steps(app, pilot)
            await pilot.pause()
            app.draw()
            await pilot.pause()
            return {each.id: str(each.render()) for each in app.screen_stack[0].query("Static") if each.id}

    return asyncio.run(run())


async def left(session, steps, size=(80, 24)):
    """Run the app until `steps` leave it."""
    app = ObserveApp(session, "anna")
    async with app.run_test(size=size) as pilot:
        await steps(app, pilot)


def whats(session):
    return [event.what for event in session.recorder("anna").events[1:]]


def test_keys_are_taken_for_the_animal_chosen_and_shown_once_on_disk(session):
    async def steps(app, pilot):
        await pilot.press("1", "tab", "3")

    shown = driven(session, steps)
    assert whats(session) == [Begin(COW, "grazing"), Begin(OTHER, "resting")]
    assert "cow-07: grazing" in shown["animals"] and "▶ cow-08: resting" in shown["animals"]
    assert "✓ 3 behaviour cow-08 resting" in shown["told"] and "on disk" in shown["told"]
    assert "SIMULATED ANIMAL" in shown["head"]


def test_a_key_that_the_disk_did_not_take_is_not_shown_as_taken(session, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def steps(app, pilot):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            await pilot.press("1")
            await pilot.pause()

    shown = driven(session, steps)
    assert "NOT TAKEN" in shown["told"] and "no space is left" in shown["told"]
    assert "cow-07: ?" in shown["animals"] and "NOT TAKEN" in shown["state"]
    assert whats(session) == []


def test_undo_pause_out_of_sight_tap_and_note(session):
    async def steps(app, pilot):
        await pilot.press("2", "u", "t", "p", "1", "p", "o", "n", *"rain", "enter")

    shown = driven(session, steps)
    kinds = [what.kind for what in whats(session)]
    assert kinds == ["behaviour", "undo", "taps", "pause", "resume", "out of sight", "note"]
    assert isinstance(whats(session)[2], Taps) and whats(session)[5] == OutOfSight(COW)
    assert whats(session)[-1] == Note("rain", COW)
    assert "out of sight" in shown["animals"]


def test_a_correction_by_key_and_seconds_or_one_sentence(session, clock):
    async def steps(app, pilot):
        clock.time_ns = BEGAN + 10 * NS
        await pilot.press("1", "c", *"x", "enter")
        await pilot.pause()
        steps.told = str(app.query_one("#told").render())
        await pilot.press("c", "3", "space", "minus", "4", "enter")
        clock.time_ns = BEGAN + 20 * NS

    shown = driven(session, steps)
    assert "NOT TAKEN: event 2 (behaviour) cannot be of behaviour 'x'" in steps.told
    assert whats(session)[1:] == [Correct(2, "resting", BEGAN + 6 * NS)]
    assert "(corrected)" in shown["log"] and "cow-07: resting" in shown["animals"]


def test_scan_sampling_goes_from_animal_to_animal_and_the_session_is_ended(session):
    async def steps(app, pilot):
        await pilot.press("s", *"scan", "space", *"60", "enter", "1", "2")
        await pilot.pause()
        steps.state = str(app.query_one("#state").render())
        await pilot.press("q", "e")

    asyncio.run(left(session, steps))
    assert [what.kind for what in whats(session)] == ["sampling", "scan", "scan", "ended"]
    assert [what.animal for what in whats(session)[1:3]] == [COW, OTHER]
    assert "scan sampling each 60 s" in steps.state and session.recorder("anna").state().ended


def test_both_ethograms_the_agreement_and_bouts_needed_are_shown(session, clock):
    session.join("anna").press(COW, "grazing")
    for moment in told([0] * 60):
        session.take(moment)
    clock.time_ns = BEGAN + 80 * NS

    async def steps(app, pilot):
        pass

    shown = driven(session, steps)
    assert "anna" in shown["ethogram"] and "tag 00c0ff" in shown["ethogram"]
    assert shown["ethogram"].splitlines()[0].count("1") >= 19
    assert "connected; grazing" in shown["tag"] and "EMULATED TAG" in shown["head"]
    assert "100% of 1.3 min" in shown["agreement"]
    assert "◀ you ◀ tag" in shown["keys"]


def test_a_column_has_what_was_mostly_done_and_stays_as_it_was_drawn():
    bouts = [[0.0, 7.0, "a"], [7.0, 20.0, "b"]]
    assert cells(bouts, 11.9, 4, 4.0) == ["", "a", "a", "b"]
    assert cells(bouts, 15.9, 5, 4.0)[:4] == ["", "a", "a", "b"]
    assert cells([], 100.0, 3, 4.0) == ["", "", ""]


def test_every_class_has_a_key_that_nothing_else_has():
    taken = {binding.key for binding in ObserveApp.BINDINGS}
    from mcukd.observation.keys import KEYS, keys_of

    assert not taken & set(KEYS) and len(set(KEYS)) == len(KEYS)
    assert keys_of(CLASSES) == {"1": "grazing", "2": "walking", "3": "resting"}


def test_a_name_with_brackets_and_blank_answers_do_not_end_the_screen(tmp_path, clock):
    animal = "cow[/b] [red]7"

    async def steps(app, pilot):
        await pilot.press("1", "n", *"rain", "enter")
        for key in "cs":
            await pilot.press(key, "end", *["backspace"] * 4, "space", "enter")
        await pilot.press("c", "home", *"9" * 30, "enter")

    said = facts(animals=(animal,), tagged=animal, also=("lying [/left]",))
    with Session.begin(tmp_path / "s", said, clock) as session:
        shown = driven(session, steps)
        assert whats(session) == [Begin(animal, "grazing"), Note("rain", animal)]
    assert animal in shown["animals"] and "NOT TAKEN: there is no event 9999" in shown["told"]


def test_control_characters_of_a_note_do_not_reach_the_screen(session):
    session.join("anna").note("a\x1b[2Jb\nc\u202ed")

    async def steps(app, pilot):
        pass

    assert "note a␛[2Jb␊c�d" in driven(session, steps)["log"]


def test_a_tiny_window_shows_whether_a_key_was_taken_and_ctrl_c_asks(session):
    async def steps(app, pilot):
        await pilot.press("1", "tab")
        await pilot.pause()
        steps.shown = [app.query_one(f"#{name}").region.y for name in ("head", "animals", "state", "told")]
        steps.scrolled = app.screen.scroll_offset.y
        await pilot.press("ctrl+c", "l")

    asyncio.run(left(session, steps, (40, 12)))
    assert (steps.shown, steps.scrolled) == ([0, 1, 2, 3], 0)
    assert whats(session) == [Begin(COW, "grazing")]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_figures_fit_the_terminal(session, clock, columns):
    from rich.console import Console

    session.join("anna").press(COW, "grazing")
    for moment in told([0] * 10):
        session.take(moment)
    clock.time_ns = BEGAN + 30 * NS
    console = Console(width=columns - 38)
    with console.capture() as shown:
        console.print(figures(session.snapshot(fresh=True), "anna", COW, columns - 38))
    lines = shown.get().splitlines()
    assert "…" not in shown.get() and len(lines) == len(CLASSES) + (2 if columns == 80 else 1)
    assert all("48 more" in line or "49 more" in line for line in lines[-len(CLASSES) :])
    assert ("95 %" in lines[0]) == (columns == 120)
