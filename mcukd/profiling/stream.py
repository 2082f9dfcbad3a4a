"""Measurement of a stream as in operation: instructions from one result to the next, flash and RAM."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.codegen.firmware import generate_stream
from mcukd.fixedpoint.model import IntegerModel
from mcukd.inference.batch import classify_stream, window_count
from mcukd.profiling.cycles import load_table, total_cycles
from mcukd.profiling.emulate import run_image, trace_image
from mcukd.profiling.image import Image, build_image

#: The single step stays in the image, as in a firmware, which runs windows with it.
_STREAM = ["-DBENCH_STREAM", "-Wl,-u,mcukd_model_step"]


class StreamCost(NamedTuple):
    """Cost of a stream on an emulated core.

    instructions, cycles_estimated: from one result to the next, once all states are in use. flash_bytes: of
    what classifies. ram_bytes: of states and counters, with the stack. state_bytes: without it.
    results, mismatches: recordings whose last result was compared with that of this computer, and those that
    differ.
    """

    instructions: float
    cycles_estimated: float
    flash_bytes: int
    ram_bytes: int
    state_bytes: int
    results: int
    mismatches: int


def measure_stream(
    model: IntegerModel,
    samples: NDArray[np.int16],
    core: str,
    optimize: str = "speed",
    pairs: bool = True,
) -> StreamCost:
    """Build a model's stream for a core and run recordings cut from `samples` (S, C) on it.

    Recordings are as long as 1, 2, … results need, so that each state ends one. pairs: as in
    `generate_stream`. Raises UserError where compiler or emulator are missing or fail.
    """
    results = min(12, window_count(len(samples), model.window, model.hop))
    counted = []
    mismatches = 0
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch)
        generate_stream(model, sources, core, optimize, pairs)
        image = build_image(sources, core, optimize, _STREAM)
        for number in range(1, results + 1):
            length = model.window + (number - 1) * model.hop
            recordings = np.stack([samples[:length], samples[-length:]])
            seen = run_image(image, recordings)
            counted.append(float(seen.instructions[0]))
            for recording, found in zip(recordings, seen.logits):
                logits = np.zeros((number, len(model.classes)), np.int16)
                classify_stream(model, recording, logits=logits)
                mismatches += not np.array_equal(found, logits[-1])
        first, last = (model.window + (n - 1) * model.hop for n in (results // 2, results))
        cycles = _cycles(image, core, samples[:last]) - _cycles(image, core, samples[:first])
        per_result = results - results // 2
        return StreamCost(
            instructions=(counted[-1] - counted[results // 2 - 1]) / per_result,
            cycles_estimated=cycles / per_result,
            flash_bytes=image.flash_bytes,
            ram_bytes=seen.state_bytes + seen.stack_bytes + image.static_bytes,
            state_bytes=seen.state_bytes,
            results=2 * results,
            mismatches=mismatches,
        )


def _cycles(image: Image, core: str, recording: NDArray[np.int16]) -> int:
    disassembly = image.disassembly()
    return total_cycles(load_table(core), disassembly, trace_image(image, recording, disassembly)).estimated
