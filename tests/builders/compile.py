"""Compilation of generated C: strict warnings, sanitizers, and calls from Python."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from mcukd.boards.cores import cores_with
from mcukd.codegen.firmware import generate_model
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import trace

STRICT = [
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wdouble-promotion",
    "-Wfloat-conversion",
    "-Werror",
]
#: Undefined behaviour (an overflow, a bad shift) ends the process.
UNDEFINED = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
#: The same and memory; for programs, as Python has no address sanitizer to load a library into.
SANITIZED = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ARM = {option: list(core.flags) for option, core in cores_with("kernels").items()}


class HostModel:
    """The generated C, compiled for this machine and called directly."""

    def __init__(self, model: IntegerModel, directory: Path) -> None:
        self.model = model
        generate_model(model, directory)
        sources = sorted(map(str, directory.glob("*.c")))
        library = directory / "model.so"
        subprocess.run(
            ["cc", *STRICT, *UNDEFINED, "-O2", "-shared", "-fPIC", *sources, "-o", library], check=True
        )
        self.library = ctypes.CDLL(str(library))

    def run(self, window: np.ndarray) -> tuple[int, list[int], int]:
        hidden = self.model.state_halfwords
        state = (ctypes.c_uint32 * ((hidden + 1) // 2))()
        logits = (ctypes.c_int16 * len(self.model.classes))()
        self.library.mcukd_model_reset(state)
        crc = 0
        for sample in np.ascontiguousarray(window):
            self.library.mcukd_model_step(state, sample.ctypes.data_as(ctypes.c_void_p))
            crc = zlib.crc32(bytes(state)[: 2 * hidden], crc)
        answer = (
            self.library.mcukd_model_decide if self.model.may_refuse else self.library.mcukd_model_classify
        )
        answer.restype = ctypes.c_uint8
        return answer(state, logits), list(logits), crc

    def trace(self, window: np.ndarray) -> list[dict[str, list[int]]]:
        names = self.model.trace_tensors
        state = (ctypes.c_uint32 * ((self.model.state_halfwords + 1) // 2))()
        values = len(trace(self.model, window[:1])[0][names[0]])
        tensors = (ctypes.c_int16 * (values * len(names)))()
        steps = []
        for sample in np.ascontiguousarray(window):
            self.library.mcukd_model_step_traced(state, sample.ctypes.data_as(ctypes.c_void_p), tensors)
            steps.append({n: list(tensors[i * values : (i + 1) * values]) for i, n in enumerate(names)})
        return steps


def compile_all(compiler: str, flags: list[str], folder: Path, pattern: str = "*.c") -> None:
    """Compile every source of a folder without a warning."""
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}, which is not on the PATH")
    for file in sorted(folder.glob(pattern)):
        result = subprocess.run(
            [compiler, *STRICT, *flags, "-c", file.name, "-o", file.with_suffix(".o").name],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr


def undefined(nm: str, file: Path) -> set[str]:
    """The symbols that an object leaves to others."""
    listing = subprocess.run([nm, "-u", file], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in listing.splitlines() if line.strip()}


def assert_needs_no_library(nm: str, folder: Path, names: set[str]) -> None:
    """Neither the C library nor the compiler's: what is undefined is the model's own data."""
    assert {file.stem for file in folder.glob("*.o")} == names
    for file in folder.glob("*.o"):
        assert {name for name in undefined(nm, file) if not name.startswith("mcukd_model_")} == set(), file
