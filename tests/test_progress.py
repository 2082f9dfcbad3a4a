"""Progress of a long run in a log."""

from __future__ import annotations

import re
import time

import mcukd.progress as module
from mcukd.progress import progress

LINE = re.compile(r"^Training: (\d+)/50 after \d:\d\d:\d\d ?(.*)$")


def test_a_line_at_every_tenth_and_none_between(capsys) -> None:
    with progress("Training", 50) as advance:
        for number in range(50):
            advance(1, f"fold {number}")
    lines = [LINE.match(line) for line in capsys.readouterr().err.splitlines()]
    assert [int(line[1]) for line in lines if line] == list(range(5, 51, 5)) and all(lines)
    assert lines[0] and lines[0][2] == "fold 4"


def test_a_line_also_where_nothing_is_finished_for_a_while(capsys, monkeypatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.05)
    with progress("Training", 50) as advance:
        advance(2, "A-s0")
        time.sleep(0.4)
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) >= 3 and all(LINE.match(line) for line in shown)
    assert shown[-1].startswith("Training: 2/50") and shown[-1].endswith("A-s0")
    time.sleep(0.2)
    assert capsys.readouterr().err == "", "the lines end with the bar"


def test_no_more_than_half_a_minute_passes_without_a_line() -> None:
    assert module.SILENCE <= 30


def test_a_total_of_nothing(capsys) -> None:
    with progress("Classifying", 0):
        pass
    assert capsys.readouterr().err == ""


def test_a_bar_shows_names_with_brackets_as_they_are(capsys, monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress("Reading [b]", 2) as advance:
        advance(1, "cow [/x]")
        time.sleep(0.3)
    shown = capsys.readouterr().err
    assert "Reading [b]" in shown and "cow [/x]" in shown
