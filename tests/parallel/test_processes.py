"""Worker processes: Ctrl-C ends them without output, and errors at their start are reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcukd.errors import UserError
from mcukd.parallel.processes import Workers

MOMENTS = ["before workers", "while workers start", "at work", "twice", "terminated"]
SCRIPT = """
import sys, time
import mcukd.cli as cli
import mcukd.cli.app as module
from mcukd.parallel.processes import Workers

def start(mark):
    import numpy
    open(mark, "w").close()

def command():
    with Workers(2, start, sys.argv[1]) as workers:
        print("begun", flush=True)
        for future in [workers.submit(time.sleep, 60) for _ in range(4)]:
            future.result()

if __name__ == "__main__":
    module.app = command
    cli.main()
"""


def refuse() -> None:
    raise UserError("Keras is set up otherwise")


def pids(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def test_what_the_start_of_a_worker_raises_is_what_its_tasks_raise() -> None:
    with Workers(1, refuse) as workers, pytest.raises(UserError, match="set up otherwise"):
        workers.submit(pids, 0).result()


def test_workers_work_side_by_side_and_end_with_the_block() -> None:
    with Workers(2) as workers:
        found = {future.result() for future in [workers.submit(pids, 0.5) for _ in range(2)]}
    assert os.getpid() not in found
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def restore_interrupts() -> None:
    """Undo what a shell does to programs in the background: they inherit that interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name == "nt", reason="signals of a process group")
@pytest.mark.parametrize(
    "moment", ["before workers", "while workers start", "at work", "twice", "terminated"]
)
def test_ctrl_c_prints_one_sentence_and_ends_the_workers(tmp_path: Path, moment: str) -> None:
    script, mark = tmp_path / "script.py", tmp_path / "mark"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(mark)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, preexec_fn=restore_interrupts,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    if moment == "while workers start":
        time.sleep(0.15)
    elif moment != "before workers":
        deadline = time.monotonic() + 60
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    if moment == "terminated":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGINT)
    if moment == "twice":
        time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (143 if moment == "terminated" else 130), said
    assert said == "mcukd: stopped; what was finished is kept.\n"
    deadline = time.monotonic() + 20  # multiprocessing's own tracker ends a moment later
    while _group_lives(process.pid):
        assert time.monotonic() < deadline, "a worker still runs"
        time.sleep(0.05)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
