"""A Dask scheduler and its workers, each a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

there = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(not there, reason="needs the extra 'cluster'")


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a Dask scheduler and workers, each a process; yield its address and the workers."""
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": (folder / "cluster.log").open("ab")}
    environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    base = [sys.executable, "-m"]
    started: list[subprocess.Popen[bytes]] = []
    try:
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        scheduler = [*base, "distributed.cli.dask_scheduler", *options]
        started.append(subprocess.Popen(scheduler, env=environment, **quiet))  # type: ignore[call-overload]
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        worker = [*base, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        options = ["--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(folder)]
        for _ in range(workers):
            started.append(
                subprocess.Popen([*worker, *options], env=environment, **quiet)  # type: ignore[call-overload]
            )
        yield address, started[1:]
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
        quiet["stderr"].close()  # type: ignore[attr-defined]
