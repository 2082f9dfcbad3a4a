"""Measurement of one model on a core: time, sizes, and differences from float and the reference."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.codegen.firmware import generate_model
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run
from mcukd.models.families import Weights
from mcukd.profiling.cycles import Cycles, load_table, total_cycles
from mcukd.profiling.emulate import DeviceRun, run_image, trace_image
from mcukd.profiling.image import Image, build_image

#: What every row has; a value that was not measured is None.
KEYS = (
    "core", "hidden", "weight_bits", "optimize", "instructions", "cycles_estimated", "flash_bytes",
    "ram_bytes", "max_prob_error", "agreement", "windows", "mismatches",
    "weights", "kernel", "gates", "seed", "channels", "steps", "dense", "classes", "macs",
    "instructions_per_mac", "cycles_least", "flash_code_bytes", "flash_weight_bytes", "flash_table_bytes",
    "state_bytes", "scratch_bytes", "stack_bytes", "accuracy_windows", "model_sha256",
)  # fmt: skip
#: The timer's tick and the harness's own few instructions, by which the two counts of a window may differ.
_SLACK = 120


class Accuracy(NamedTuple):
    """Against float on the same windows: largest difference of a probability, share of equal classes."""

    max_prob_error: float
    agreement: float
    windows: int


def accuracy(logits: NDArray[Any], float_logits: NDArray[np.float64]) -> Accuracy:
    """Compare logits (N, K) as real values with those of the float model."""
    error = np.abs(softmax(np.asarray(logits, np.float64)) - softmax(float_logits)).max()
    same = np.mean(np.argmax(logits, axis=1) == np.argmax(float_logits, axis=1))
    return Accuracy(float(error), float(same), len(float_logits))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def model_accuracy(model: IntegerModel, weights: Weights, counts: NDArray[np.int16]) -> Accuracy:
    """Compare the integer model (its reference) with the float student on windows (N, T, C)."""
    outcome = run(model, counts, checksums=False)
    scale = float(np.ldexp(1.0, -model.length("logits")))
    return accuracy(outcome.logits * scale, weights.logits(counts))


def measure_model(
    model: IntegerModel,
    counts: NDArray[np.int16],
    core: str,
    optimize: str = "speed",
    portable: bool = False,
    truth: Accuracy | None = None,
) -> dict[str, Any]:
    """Build the model for a core, run windows (N, T, C) on it, and return a row of `KEYS`.

    portable: measure the portable C step although the core has one in assembly. Every window is compared
    with the reference: logits and the CRC-32 of all states. truth: from `model_accuracy`.
    Raises UserError where compiler or emulator are missing or fail.
    """
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch)
        generate_model(model, sources, core=None if portable else core, optimize=optimize)
        assembly = any(sources.glob("*.S"))
        image = build_image(sources, core, optimize)
        seen = run_image(image, counts)
        cycles = estimated_cycles(image, core, counts[0], float(seen.instructions[0]))
    outcome = run(model, counts)
    differs = (seen.logits != outcome.logits).any(axis=1) | (seen.state_crc != outcome.state_crc)
    shape = {
        "channels": model.channels,
        "hidden": getattr(model, "hidden", None),
        "dense": model.dense,
        "classes": len(model.classes),
        "steps": counts.shape[1],
        "macs": model.macs_per_window(counts.shape[1]),
    }
    return make_row(
        core=core,
        optimize=optimize,
        weight_bits=model.bits,
        kernel="assembly" if assembly else "portable C",
        gates=model.gate_table,
        model_sha256=model.sha256,
        **shape,
        **costs(image, seen, cycles, shape["macs"]),
        **against_float(truth),
        windows=len(counts),
        mismatches=int(np.count_nonzero(differs)),
    )


def make_row(**facts: Any) -> dict[str, Any]:
    """Return facts as a row: the keys of `KEYS` in their order, None where a fact is missing."""
    unknown = sorted(set(facts) - set(KEYS))
    if unknown:
        raise ValueError(f"rows have no key {unknown[0]!r}")
    return {key: facts.get(key) for key in KEYS}


def sizes(
    channels: int, hidden: int, dense: int, classes: int, steps: int, prototypes: int = 1
) -> dict[str, int]:
    """Return the fields that describe a student: C, H, M, K, T and its multiply-accumulates per window.

    With M = 0 the head is K·P scores of the state.
    """
    head = dense * (hidden + classes) if dense else hidden * classes * prototypes
    macs = 3 * hidden * (channels + hidden) * steps + head
    return {
        "channels": channels,
        "hidden": hidden,
        "dense": dense,
        "classes": classes,
        "steps": steps,
        "macs": macs,
    }


def costs(image: Image, seen: DeviceRun, cycles: Cycles, macs: int) -> dict[str, Any]:
    """Return the fields of time, flash and RAM. RAM is one state, static scratch and the calls' stack."""
    instructions = round(float(seen.instructions.mean()))
    return {
        "instructions": instructions,
        "instructions_per_mac": round(instructions / macs, 3),
        "cycles_estimated": cycles.estimated,
        "cycles_least": cycles.least,
        "flash_bytes": image.flash_bytes,
        "flash_code_bytes": image.code_bytes,
        "flash_weight_bytes": image.weight_bytes,
        "flash_table_bytes": image.table_bytes,
        "ram_bytes": seen.state_bytes + image.static_bytes + seen.stack_bytes,
        "state_bytes": seen.state_bytes,
        "scratch_bytes": image.static_bytes,
        "stack_bytes": seen.stack_bytes,
    }


def against_float(accuracy: Accuracy | None) -> dict[str, Any]:
    """Return the fields of a comparison with float, none where there is none."""
    if accuracy is None:
        return {}
    return {
        "max_prob_error": float(f"{accuracy.max_prob_error:.3g}"),
        "agreement": round(accuracy.agreement, 5),
        "accuracy_windows": accuracy.windows,
    }


def estimated_cycles(image: Image, core: str, window: NDArray[np.int16], instructions: float) -> Cycles:
    """Trace one window (T, C) and estimate its cycles.

    instructions: what the timer counted for the same window. Raises UserError where the trace disagrees.
    """
    disassembly = image.disassembly()
    executed = trace_image(image, window, disassembly)
    traced = sum(executed.values())
    if abs(traced - instructions) > _SLACK:
        raise UserError(
            f"{image.elf.name}: the trace has {traced} instructions, the timer counted {instructions:.0f}; "
            "'mcukd doctor' tells which version of QEMU runs here."
        )
    return total_cycles(load_table(core), disassembly, executed)
