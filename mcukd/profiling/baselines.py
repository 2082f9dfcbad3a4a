"""Baselines of the integer kernels: the student as plain float32 C, and as a TFLite int8 cell."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.models.weights import GruMlpWeights
from mcukd.profiling.cycles import Cycles
from mcukd.profiling.emulate import run_image
from mcukd.profiling.image import build_image
from mcukd.profiling.measure import accuracy, against_float, costs, estimated_cycles, make_row, sizes
from mcukd.resources import resource_dir

TFLITE = "TFLite int8 one-step cell"
MOVED = "float64, samples moved by up to one count"
_TEMPLATES = resource_dir("firmware_templates") / "profiling"
_FLAGS = ["-O3"]
#: Soft float takes 10⁸ instructions a window, too many to log: a part of the window stands for it.
_TRACED_STEPS = 32


def measure_float(weights: GruMlpWeights, counts: NDArray[np.int16], core: str) -> dict[str, Any]:
    """Build the student as straightforward float32 C (-O3, `expf` of libm) and run windows (N, T, C) on it.

    `m4f` uses its FPU, `m3` the compiler's soft float, which counts as code. Its accuracy is that of the
    windows run; nothing is compared bit for bit. Cycles are estimated on the first 32 steps and scaled by
    the instructions.
    """
    shape = sizes(weights.channels, weights.hidden, weights.dense, weights.classes, counts.shape[1])
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch)
        write_float(weights, sources)
        image = build_image(sources, core, "speed", [*_FLAGS, "-DBENCH_FLOAT"])
        seen = run_image(image, counts)
        part = counts[:1, :_TRACED_STEPS]
        instructions = float(run_image(image, part, compare=False).instructions[0])
        traced = estimated_cycles(image, core, part[0], instructions)
        times = float(seen.instructions.mean()) / instructions
        cycles = Cycles(round(traced.estimated * times), round(traced.least * times))
    return make_row(
        core=core,
        optimize="speed",
        weight_bits=32,
        kernel="float32 C",
        **shape,
        **costs(image, seen, cycles, shape["macs"]),
        **against_float(accuracy(seen.logits, weights.logits(counts))),
        windows=len(counts),
    )


def measure_tflite(weights: GruMlpWeights, calibration: Windows, counts: NDArray[np.int16]) -> dict[str, Any]:
    """Export the student as the TFLite int8 one-step cell; return its size and accuracy on (N, T, C).

    flash_bytes is the size of the file alone. No core runs it here, so what belongs to one is None.
    """
    from mcukd.tflite.evaluate import evaluate
    from mcukd.tflite.export import export

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "student.tflite"
        exported = export(weights, calibration.classes, calibration.counts, path)
        logits = evaluate(path, counts)
    return make_row(
        weight_bits=8,
        kernel=TFLITE,
        **sizes(weights.channels, weights.hidden, weights.dense, weights.classes, counts.shape[1]),
        flash_bytes=exported.bytes,
        **against_float(accuracy(logits, weights.logits(counts))),
    )


def measure_moved(weights: GruMlpWeights, counts: NDArray[np.int16]) -> dict[str, Any]:
    """Compare the float student with itself on windows (N, T, C) with samples moved by up to one count.

    What no arithmetic can be expected to better: a student that answers otherwise then is sensitive itself.
    """
    moved = counts + np.random.default_rng(0).integers(-1, 2, counts.shape)
    moved = np.clip(moved, -32768, 32767).astype(np.int16)
    return make_row(
        kernel=MOVED,
        **sizes(weights.channels, weights.hidden, weights.dense, weights.classes, counts.shape[1]),
        **against_float(accuracy(weights.logits(moved), weights.logits(counts))),
    )


def write_float(weights: GruMlpWeights, out: Path) -> None:
    """Write the float student as `float_gru.c` and `float_gru.h` into `out`."""
    import jinja2

    arrays = {
        "mean": weights.mean,
        "scale": np.float32(1) / weights.std,
        "input_weights": weights.kernel.T,
        "state_weights": weights.recurrent.T,
        "input_bias": weights.bias[0],
        "state_bias": weights.bias[1],
        "dense_weights": weights.dense_kernel.T,
        "dense_bias": weights.dense_bias,
        "output_weights": weights.output_kernel.T,
        "output_bias": weights.output_bias,
    }
    context = {
        "channels": weights.channels,
        "hidden": weights.hidden,
        "dense": weights.dense,
        "classes": weights.classes,
        "arrays": [_c_array(name, array) for name, array in arrays.items()],
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    for name in ("float_gru.c", "float_gru.h"):
        (out / name).write_text(environment.get_template(f"{name}.j2").render(context), encoding="utf-8")


def _c_array(name: str, array: NDArray[Any]) -> dict[str, str]:
    rows = [", ".join(f"{float(value):.9e}f" for value in np.atleast_1d(row)) for row in array]
    lines = [f"    {{ {row} }}," if array.ndim == 2 else f"    {row}," for row in rows]
    return {
        "name": name,
        "dimensions": "".join(f"[{size}]" for size in array.shape),
        "rows": "\n".join(lines),
    }
