"""A Dask scheduler and its workers, each a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

there = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(not there, reason="needs the extra 'cluster'")


Workers = list["subprocess.Popen[bytes]"]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[tuple[str, Workers]]:
    """Start a Dask scheduler and workers, each a process; yield its address and the workers."""
    file = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with _running(folder, [["distributed.cli.dask_scheduler", *options]]):
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        with joined(address, folder, workers) as started:
            yield address, started


@contextmanager
def joined(address: str, folder: Path, workers: int = 1) -> Iterator[Workers]:
    """Start workers of a scheduler, each a process."""
    options = ["--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(folder)]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", *options]
    with _running(folder, [worker] * workers) as started:
        yield started


@contextmanager
def _running(folder: Path, modules: Sequence[Sequence[str]]) -> Iterator[Workers]:
    """Run modules with their arguments, and kill them at the end."""
    environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    started: Workers = []
    with (folder / "cluster.log").open("ab") as log:
        try:
            for module in modules:
                line = [sys.executable, "-m", *module]
                started.append(subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=log))
            yield started
        finally:
            for process in reversed(started):
                process.kill()
                process.wait()


def wait_until(there: Callable[[], bool], otherwise: str, seconds: float = 120) -> None:
    """Wait for something; fail with `otherwise` where it does not come."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
