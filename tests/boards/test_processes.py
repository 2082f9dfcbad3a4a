"""Runners that ask, hang, print without end or leave a process behind are stopped with an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.processes import is_running
from builders.runners import ELF, PLAIN, RUNNERS, TWO_PROBES, WROTE, refusal

from mcukd.boards import flashing, processes
from mcukd.boards.flashing import flash
from mcukd.boards.model import load_board


@pytest.mark.parametrize("runner", RUNNERS)
def test_standard_input_is_closed(fake_runner: Callable[..., None], tmp_path: Path, runner: str) -> None:
    """A question ends at once instead of waiting for an answer that nobody sees it wants."""
    fake_runner(runner, "Go on? ", f"read answer; echo $? > {tmp_path}/read; exit 1")
    start = time.monotonic()
    assert f"{runner} said: Go on?" in refusal(runner)
    assert time.monotonic() - start < 5
    assert (tmp_path / "read").read_text().strip() == "1"


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_runner_that_does_not_end_is_stopped_with_all_it_started(
    fake_runner: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runner: str
) -> None:
    monkeypatch.setattr(flashing, "TIMEOUT_S", 2.0)
    fake_runner(runner, "Info : Listening on port 3333\n", f"(sleep 60 & echo $! > {tmp_path}/child; wait)")
    start = time.monotonic()
    message = refusal(runner)
    assert time.monotonic() - start < 20
    assert "did not end within 2 s and was stopped; it said: Info : Listening" in message
    assert "What the chip holds now is not known: flash it again." in message
    assert "cable" not in message and "power" not in message
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_prompt_that_waits_all_the_same_is_told_by_its_words(
    fake_runner: Callable[..., None], monkeypatch: pytest.MonkeyPatch, runner: str
) -> None:
    monkeypatch.setattr(flashing, "TIMEOUT_S", 2.0)
    fake_runner(runner, TWO_PROBES, "sleep 60")
    message = refusal(runner)
    assert "name one with --probe SERIAL; connected are 000683456789" in message
    assert "did not end within 2 s" in message and "cable" not in message


def test_output_that_is_no_text_and_a_crash_are_sentences(fake_runner: Callable[..., None]) -> None:
    fake_runner("openocd", "", "printf '\\377\\376 strange'; kill -SEGV $$")
    assert "openocd was ended by signal 11" in refusal("openocd")


def test_a_runner_that_asks_without_end_is_stopped_before_it_fills_the_memory(
    fake_runner: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some ask again where an answer is empty, as it always is from a closed input."""
    fake_runner("pyocd", "", "while true; do printf 'Enter the number of the debug probe> '; read n; done")
    monkeypatch.setattr(processes, "MOST_OUTPUT", 1 << 14)
    start = time.monotonic()
    message = refusal("pyocd")
    assert time.monotonic() - start < 20
    assert "name one with --probe SERIAL" in message and "went on talking without end" in message
    assert len(message) < 800


def test_a_runner_that_leaves_something_running_has_ended_all_the_same(
    fake_runner: Callable[..., None], tmp_path: Path
) -> None:
    """What it left holds the pipe open, and is ended with it."""
    fake_runner("openocd", WROTE, f"sleep 60 & echo $! > {tmp_path}/child; exit 0")
    start = time.monotonic()
    assert flash(load_board("eartag"), ELF, PLAIN, "openocd")
    assert time.monotonic() - start < 20
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)
