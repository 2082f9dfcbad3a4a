"""Command `mcukd tag watch`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.studies import simulated_study


@pytest.mark.emulator
def test_each_result_of_an_emulated_tag_is_proven(tmp_path: Path) -> None:
    """On the study's simulated herd, in real time."""
    simulated_study(tmp_path / "run", steps=64)
    tag = ("tag", "watch", "--emulate", "eartag", "--run", "run", "--samples")
    done = mcukd(*tag, "--results", "3", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    moments = [json.loads(line) for line in done.stdout.splitlines()]
    assert moments[0]["event"] == "connected" and moments[0]["emulated"] and moments[0]["board"] == "eartag"
    results = [moment for moment in moments if moment["event"] == "result"]
    assert len(results) >= 3 and {moment["reference"] for moment in results} == {"equal"}
    assert f"{len(results)} equal, 0 different" in done.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "name one tag: --port with its serial port (or MCUKD_PORT), or --emulate with a board."),
        (("--port", "/dev/none", "--emulate", "collar"), "name one tag"),
        (("--port", "/dev/none"), "/dev/none: the port does not open"),
    ],
)
def test_a_tag_that_is_not_there_is_told(tmp_path: Path, given: tuple[str, ...], words: str) -> None:
    done = mcukd("tag", "watch", *given, cwd=tmp_path)
    assert done.returncode == 2 and words in " ".join(done.stderr.split())
