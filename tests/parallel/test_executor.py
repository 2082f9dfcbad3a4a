"""Executor: equal results in this process and in workers, order, and the effect of a failure."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcukd.errors import UserError
from mcukd.parallel import executor
from mcukd.parallel.executor import Executor, InProcess, LocalProcesses, Skipped, Task, run_tasks

PLACES = pytest.mark.parametrize("place", [InProcess(), LocalProcesses(2, "--jobs")], ids=["here", "workers"])


def note(folder: Path, name: str, on_progress: Callable[[int], None]) -> str:
    on_progress(2)
    with (folder / "log").open("a") as log:
        log.write(f"{name}\n")
    return name.upper()


def refuse(name: str, on_progress: Callable[[int], None]) -> None:
    raise UserError(f"{name} cannot be done.")


def die(on_progress: Callable[[int], None]) -> None:
    os._exit(1)


_prepared = ""


def prepare(text: str) -> None:
    global _prepared
    _prepared = text


def prepared(on_progress: Callable[[int], None]) -> str:
    return _prepared


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Units and names that the progress bar received."""
    from contextlib import contextmanager

    told: list[tuple[int, str]] = []

    @contextmanager
    def progress(label: str, total: int) -> Any:
        told.append((total, label))
        yield lambda units, name="": told.append((units, name))

    monkeypatch.setattr(executor, "progress", progress)
    return told


@PLACES
def test_results_come_by_key_and_the_bar_ends_full(place: Executor, tmp_path: Path, shown: list[Any]) -> None:
    tasks = [Task(name, name, note, (tmp_path, name), units=5) for name in "abc"]
    finished: list[str] = []
    found = run_tasks(tasks, place, "Noting", on_result=lambda task, result: finished.append(result))
    assert found == {"a": "A", "b": "B", "c": "C"} and sorted(finished) == ["A", "B", "C"]
    assert shown[0] == (15, "Noting") and sum(units for units, _ in shown[1:]) == 15


@PLACES
def test_a_failure_takes_along_what_requires_it_and_nothing_else(place: Executor, tmp_path: Path) -> None:
    tasks = [
        Task("bad", "bad", refuse, ("bad",)),
        Task("good", "good", note, (tmp_path, "good")),
        Task("after bad", "", note, (tmp_path, "x"), ("bad",)),
        Task("after good", "", note, (tmp_path, "y"), ("good", "done long ago")),
        Task("after both", "", note, (tmp_path, "z"), ("good", "after bad")),
    ]
    found = run_tasks(tasks, place, "Trying", keep_going=True)
    assert str(found.pop("bad")) == "bad cannot be done."
    assert found == {
        "good": "GOOD", "after good": "Y", "after bad": Skipped(), "after both": Skipped()
    }  # fmt: skip
    assert (tmp_path / "log").read_text().split() == ["good", "y"]
    with pytest.raises(UserError, match="bad cannot be done"):
        run_tasks(tasks, place, "Trying")


@PLACES
def test_tasks_start_in_their_order_once_what_they_require_is_done(place: Executor, tmp_path: Path) -> None:
    if isinstance(place, LocalProcesses):
        place = LocalProcesses(1, "--jobs")
    order = {"t0": (), "a0": ("t0",), "t1": (), "a1": ("t1",), "b0": ("t0",), "b1": ("t1",)}
    tasks = [Task(key, key, note, (tmp_path, key), needs) for key, needs in order.items()]
    assert list(run_tasks(tasks, place, "Ordered")) == list(order)
    assert (tmp_path / "log").read_text().split() == list(order)


def test_workers_are_prepared_and_their_death_names_the_option_to_lower() -> None:
    place = LocalProcesses(3, "--workers", prepare, ("ready",))
    assert run_tasks([Task("a", "a", prepared)], place, "One") == {"a": "ready"}
    with pytest.raises(UserError, match=r"fewer workers than 2 \(--workers\)"):
        run_tasks([Task("a", "a", die), Task("b", "b", die)], place, "Two")
    with pytest.raises(UserError, match="run the same command again, with more memory if"):
        run_tasks([Task("a", "a", die)], place, "One")
    assert run_tasks([], place, "None") == {}
