"""Ctrl-C at moments when Python itself cannot pass it on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMAND = """
import os, signal, time
import mcukd.cli, mcukd.cli.app

# A program that a shell started in the background ignores interrupts, and so do those that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

class HalfMade:
    def __init__(self):
        stop()
        self.file = 1

    def __del__(self):
        self.file

class Deleted:
    def __del__(self):
        stop()

def stop():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)

def app():
    KIND()
    time.sleep(60)

mcukd.cli.app.app = app
mcukd.cli.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("kind", ["HalfMade", "Deleted"])
def test_ctrl_c_while_an_object_is_made_or_deleted_is_one_sentence(kind: str) -> None:
    """Trap: a traceback of what was half made, and an interrupt that was lost."""
    script = COMMAND.replace("KIND", kind)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "mcukd: stopped; what was finished is kept.\n")
