"""Process of the TFLite converter: started once, because TensorFlow takes seconds to import, and watched."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mcukd.errors import UserError

COMMAND = (sys.executable, "-m", "mcukd.tflite.convert")
_PIPE = "utf-8:surrogateescape"
_REMEDY = "the integer model does not need it; leave the TFLite file out with 'mcukd quantize --no-tflite'"


class Converter:
    """A child process that converts one job after another."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        root = str(Path(__file__).resolve().parents[2])
        search = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        # Paths go through the pipe whatever the locale is.
        quiet = {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": search, "PYTHONIOENCODING": _PIPE}
        self.process = subprocess.Popen(
            command or COMMAND,
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="surrogateescape",
        )

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self.process.poll() is None

    def convert(self, job: Path, out: Path) -> None:
        """Convert the job file to `out`. Raises UserError where the converter fails, crashes or is ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(f"{job}\t{out}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if answer == "done":
            return
        if answer.startswith("failed "):
            reason = answer[len("failed ") :]
            raise UserError(f"TFLite export: the converter failed ({reason}); {_REMEDY}.")
        self.close()
        code = self.process.returncode
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise UserError(f"TFLite export: the converter's process ended {how} without a result; {_REMEDY}.")

    def close(self) -> None:
        """End the child by closing its standard input, and wait for it."""
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


shared: Converter | None = None


def converter() -> Converter:
    """Return this process's converter, started at the first use and again after a crash."""
    global shared
    if shared is None or not shared.alive:
        shared = Converter()
        atexit.register(shared.close)
    return shared
