"""Executor on a Dask cluster whose workers are threads of this process: what they lack, and failures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.cluster import needs_dask

from mcukd.errors import UserError
from mcukd.parallel import cluster
from mcukd.parallel.cluster import content_of, worker_address
from mcukd.parallel.executor import DaskCluster, Skipped, Task, run_tasks

pytestmark = needs_dask


class Running:
    """A scheduler and a worker, threads of this process, and workers that see no files."""

    def __init__(self, dask: Any) -> None:
        self.dask, self.address = dask, dask.scheduler_address
        self.first = set(dask.scheduler.workers)
        self.blind = False
        self.asked = threading.Event()

    def content_of(self, path: Path) -> str | None:
        """What a worker sees: those that joined late, or all once they are blind, see nothing."""
        try:
            late = worker_address() not in self.first
        except ValueError:  # asked here, not on a worker
            return content_of(path)
        if late:
            self.asked.set()
        return None if late or self.blind else content_of(path)


_running: Running


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    global _running
    import distributed

    options = {"processes": False, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, **options) as dask:
        _running = Running(dask)
        monkeypatch.setattr(cluster, "content_of", _running.content_of)
        yield _running


def where(on_progress: Callable[[int], None]) -> str:
    return worker_address()


def have_one_join(on_progress: Callable[[int], None]) -> str:
    """Have a second worker join, and wait until it was given a task."""
    _running.dask.scale(2)
    assert _running.asked.wait(60)
    return worker_address()


def go_blind(on_progress: Callable[[int], None]) -> None:
    _running.blind = True


def change(path: Path, on_progress: Callable[[int], None]) -> None:
    path.write_text("longer than before")


def refuse(name: str, on_progress: Callable[[int], None]) -> None:
    raise UserError(f"{name} cannot be done.")


def lack(on_progress: Callable[[int], None]) -> None:
    raise ModuleNotFoundError("No module named 'pandas'", name="pandas")


def run(running: Running, folder: Path, tasks: list[Task], keep_going: bool = True) -> dict[str, Any]:
    return run_tasks(tasks, DaskCluster(running.address, (folder,), "test"), "Trying", keep_going)


def test_a_worker_that_joins_late_is_asked_and_what_it_refuses_is_done_by_others(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [Task("join", "join", have_one_join), *(Task(name, name, where) for name in "abcdefgh")]
    found = run(running, tmp_path, tasks)
    assert set(found.values()) == running.first, "none was done by the late one"
    (late,) = set(running.dask.scheduler.workers) - running.first
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Note: ")]
    assert notes == [
        f"Note: the Dask worker {late} does not see {tmp_path}; use a folder that all computers share. "
        "Other workers do what it refuses."
    ]


def test_where_all_workers_refuse_it_is_the_error(running: Running, tmp_path: Path) -> None:
    tasks = [Task("blind", "blind", go_blind), Task("a", "a", where, requires=("blind",))]
    found = run(running, tmp_path, tasks)
    assert f"does not see {tmp_path}; use a folder" in str(found["a"])
    running.blind = False
    with pytest.raises(UserError, match="does not see"):
        run(running, tmp_path, tasks, keep_going=False)


def test_a_file_that_changes_here_is_no_fault_of_the_worker(running: Running, tmp_path: Path) -> None:
    path = tmp_path / "cow.parquet"
    path.write_text("before")
    reads = Task("a", "a", where, files=(path,))
    found = run(running, tmp_path, [Task("change", "change", change, (path,)), reads])
    assert str(found["a"]) == f"{path}: changed after the command began; run the same command again."
    assert run(running, tmp_path, [reads])["a"] in running.first


def test_a_failure_takes_along_what_requires_it_and_nothing_else(running: Running, tmp_path: Path) -> None:
    tasks = [
        Task("bad", "bad", refuse, ("bad",)),
        Task("after bad", "", where, requires=("bad",)),
        Task("after both", "", where, requires=("good", "after bad")),
        Task("good", "", where),
        Task("after good", "", where, requires=("good", "done long ago")),
        Task("lacks", "lacks", lack),
    ]
    found = run(running, tmp_path, tasks)
    (address,) = running.first
    assert str(found.pop("bad")) == f"bad cannot be done (on the Dask worker {address})."
    assert str(found.pop("lacks")) == "lacks: a Dask worker lacks the package 'pandas'; install mcukd there."
    assert found == {
        "good": address, "after good": address, "after bad": Skipped(), "after both": Skipped()
    }  # fmt: skip
    with pytest.raises(UserError, match="bad cannot be done"):
        run(running, tmp_path, tasks, keep_going=False)
    assert list(tmp_path.iterdir()) == [], "marks are removed"
