"""Tools that packages are checked with: CMake for this computer and bare cores, emulators, packagers."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from builders.packages import call, need
from builders.places import ROOT

SUPPORT = ROOT / "tests" / "packaging" / "support"
PROFILING = ROOT / "firmware_templates" / "profiling"
#: Cores by the compiler's names, and QEMU's boards that have them.
MACHINES = {"cortex-m3": "mps2-an385", "cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500"}


def build(source: Path, folder: Path, **definitions: object) -> Path:
    """Configure and build a CMake project; return its build folder."""
    need("cmake", "ninja")
    given = [f"-D{name}={value}" for name, value in definitions.items()]
    call(["cmake", "-G", "Ninja", "-S", source, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", *given])
    call(["cmake", "--build", folder])
    return folder


def arm(cpu: str) -> dict[str, object]:
    """Definitions for a core of `MACHINES`."""
    need("arm-none-eabi-gcc")
    return {"CMAKE_TOOLCHAIN_FILE": SUPPORT / "arm.cmake", "CPU": cpu, "PROFILING": PROFILING}


def run_on_core(elf: Path, cpu: str) -> str:
    """Run an image on one of QEMU's MPS2 boards; return what it printed."""
    need("qemu-system-arm")
    return call(
        ["qemu-system-arm", "-M", MACHINES[cpu], "-display", "none", "-monitor", "none", "-semihosting",
         "-serial", "stdio", "-kernel", elf]
    )  # fmt: skip


def packager(name: str) -> Path:
    """Return a program of the packagers' environment (`.ci/setup`) or of the PATH; skip without it."""
    own = Path(sys.prefix) / "packagers" / "bin" / name
    found = own if own.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}, which is neither in {own.parent} nor on the PATH")
    return Path(found)


def offline(folder: Path) -> dict[str, str]:
    """Environment of a packager that keeps all it knows below a folder."""
    own = {
        "CI": "1",
        "PLATFORMIO_CORE_DIR": str(folder / "platformio"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "IDF_COMPONENT_CACHE_PATH": str(folder / "idf-cache"),
        "HOME": str(folder),
    }
    return {**os.environ, **own}
