"""A `distill` that fails before it has a result: the latest study stays the latest."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from builders.data import write_moving_herd
from typer.testing import CliRunner

import mcukd.pipeline.distill as stage
from mcukd.cli.app import app
from mcukd.errors import UserError
from mcukd.study import Study


@pytest.fixture
def runs(tmp_path: Path, monkeypatch) -> Path:
    """A folder of runs whose latest is `old`, in the current folder, beside a card of a small herd."""
    monkeypatch.chdir(tmp_path)
    write_moving_herd(tmp_path)
    Study.create(Path("runs") / "old", "herd-sim", 0)
    return tmp_path / "runs"


def distill(runs: Path, *options: str) -> BaseException | None:
    card = next(runs.parent.glob("*.toml"))
    arguments = ["distill", "--data", str(card), "--data-root", str(runs.parent), "--no-baselines", *options]
    return CliRunner().invoke(app, arguments).exception


def untouched(runs: Path) -> bool:
    names = {path.name for path in runs.iterdir()}
    return names == {"old", "latest"} and (runs / "latest").resolve() == runs / "old"


def test_refused_for_a_split_that_cannot_be(runs: Path) -> None:
    assert isinstance(distill(runs, "--split", "animals=50"), UserError)
    assert untouched(runs)


def test_failed_before_anything_was_made(runs: Path, monkeypatch) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    monkeypatch.setattr(stage, "run_jobs", full)
    assert isinstance(distill(runs), OSError)
    assert untouched(runs)


def test_the_first_that_is_made_makes_it_the_latest(runs: Path, monkeypatch) -> None:
    def one_then_stopped(*arguments: object, first, **named: object) -> None:
        first()
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "run_jobs", one_then_stopped)
    distill(runs)
    latest = (runs / "latest").resolve()
    assert latest != runs / "old" and Study.open(latest).data_root(None) == runs.parent
