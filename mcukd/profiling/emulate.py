"""Runs of an image under QEMU: over windows for time and results, over one window for its instructions."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.emulator import QEMU
from mcukd.boards.sections import EMULATED_INSTRUCTIONS_PER_SECOND
from mcukd.boards.tools import require_tool
from mcukd.errors import UserError
from mcukd.profiling.image import Image
from mcukd.profiling.trace import executed

if TYPE_CHECKING:
    from mcukd.profiling.cycles import Instruction

_MAGIC = 0x4D434B42
_HEADER = "<4I"
_INPUT_ADDRESS = 0x21000000
_INPUT_BYTES = 16 << 20
_TIMER_HZ = 25_000_000  # of the timer of QEMU's MPS2 machines, in virtual time
_TIME_LIMIT_S = 900


@dataclass(frozen=True)
class DeviceRun:
    """Results of a run of an image.

    instructions: (N,) float64, reset, steps and classification of each window, to one tick of the timer.
    logits: (N, K) int16 or float32. state_crc: (N,) uint32. state_bytes: of one state. stack_bytes: most
    that the calls of the first window took; 0 unless compared.
    """

    instructions: NDArray[np.float64]
    logits: NDArray[Any]
    state_crc: NDArray[np.uint32]
    state_bytes: int
    stack_bytes: int


def run_image(image: Image, counts: NDArray[np.int16], compare: bool = True) -> DeviceRun:
    """Run windows of counts (N, T, C) on the emulated core, instructions counted.

    compare: also measure the stack and, in a second pass that is not timed, take the CRC-32 of all states.
    Raises UserError where the emulator is missing, the windows do not fit, or the image fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        sent = Path(scratch) / "console"
        argv = _argv(image, counts, compare, Path(scratch))
        argv += ["-icount", "shift=0", "-serial", f"file:{sent}"]
        try:
            result = subprocess.run(argv, capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            raise UserError(
                f"{image.elf.name}: not done after {_TIME_LIMIT_S} s in the emulator; measure fewer windows."
            ) from None
        received = sent.read_bytes() if sent.exists() else b""
    if result.returncode:
        said = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"{image.elf.name}: the image failed in the emulator (exit {result.returncode}, {said}); a step "
            "faulted or needs more than 16 KB of stack."
        )
    return parse_reply(received, len(counts), EMULATED_INSTRUCTIONS_PER_SECOND // _TIMER_HZ)


def trace_image(
    image: Image, window: NDArray[np.int16], disassembly: dict[int, Instruction]
) -> Counter[tuple[int, bool]]:
    """Run one window (T, C) and count what it executes, by address and whether control went elsewhere."""
    with tempfile.TemporaryDirectory() as scratch:
        argv = [*_argv(image, window[None], False, Path(scratch)), "-serial", "null"]
        first, last = image.symbols["bench_window"], image.symbols["bench_done"]
        return executed(argv, disassembly, first, last)


def check_room(windows: int, steps: int, channels: int) -> None:
    """Raise UserError where windows of T samples and C axes do not fit the emulated board."""
    size = struct.calcsize(_HEADER) + 2 * windows * steps * channels
    if size > _INPUT_BYTES:
        raise UserError(
            f"{windows} windows take {size} bytes, the emulated board has {_INPUT_BYTES} for them; "
            "measure fewer."
        )


def _argv(image: Image, counts: NDArray[np.int16], compare: bool, scratch: Path) -> list[str]:
    windows, steps, channels = counts.shape
    check_room(windows, steps, channels)
    content = struct.pack(_HEADER, _MAGIC, windows, steps, int(compare)) + counts.astype("<i2").tobytes()
    loaded = scratch / "windows"
    loaded.write_bytes(content)
    return [
        require_tool(QEMU, "run the model on an emulated core"),
        "-M", str(image.core.machine),
        "-display", "none",
        "-monitor", "none",
        "-semihosting",
        "-kernel", str(image.elf),
        "-device", f"loader,file={loaded},addr={_INPUT_ADDRESS:#x},force-raw=on",
    ]  # fmt: skip


def parse_reply(received: bytes, windows: int, instructions_per_tick: int) -> DeviceRun:
    """Read what the profiling firmware printed of all windows; raises UserError where it is cut short."""
    head = struct.unpack_from("<5I", received) if len(received) >= 20 else (0,) * 5
    magic, state_bytes, logit_bytes, classes, stack_bytes = head
    row = 8 + (classes * logit_bytes + 3) // 4 * 4
    if magic != _MAGIC or len(received) != 20 + windows * row:
        raise UserError(
            f"the emulated core sent {len(received)} bytes, expected {20 + windows * row}; "
            "'mcukd doctor' tells which version of QEMU runs here."
        )
    rows = np.frombuffer(received, np.uint8, offset=20).reshape(windows, row)
    words = rows[:, :8].copy().view("<u4")
    logits = rows[:, 8 : 8 + classes * logit_bytes].copy().view("<i2" if logit_bytes == 2 else "<f4")
    ticks = words[:, 0].astype(np.float64)
    return DeviceRun(ticks * instructions_per_tick, logits, words[:, 1], state_bytes, stack_bytes)
