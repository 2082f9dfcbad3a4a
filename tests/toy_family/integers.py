"""Integer form of the toy family: 32-bit sums of counts, 16-bit means, and a linear head."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.arithmetic import closest_length, covering_length, round_shift, saturate
from mcukd.fixedpoint.bounds import INT16, dot_bound
from mcukd.fixedpoint.calibration import CalibrationStats, calibration_subset
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.conversion import check_finite, data_facts, known_windows
from mcukd.fixedpoint.families import IntegerForm, Lengths
from mcukd.fixedpoint.model import IntegerModel, TensorFormat
from mcukd.fixedpoint.result import InferenceResult
from toy_family.network import MeansWeights

#: Fractional length of 1/T, which takes a sum to its mean.
SCALE_LENGTH = 20


@dataclass(frozen=True)
class MeansModel(IntegerModel):
    """arrays: output (K, C), output_bias (K,), known_windows. The state is one 32-bit sum per axis."""

    family: ClassVar[str] = "window-means"
    array_types: ClassVar[Mapping[str, Any]] = {
        "output": np.int16, "output_bias": np.int32, "known_windows": np.int16,
    }  # fmt: skip
    trace_tensors: ClassVar[tuple[str, ...]] = ("sum_low", "sum_high")
    head_input: ClassVar[str] = "means"

    @property
    def channels(self) -> int:
        return int(self.arrays["output"].shape[1])

    @property
    def state_halfwords(self) -> int:
        return 2 * self.channels

    @property
    def scale(self) -> int:
        return round((1 << SCALE_LENGTH) / self.window)

    @property
    def weight_bytes(self) -> int:
        return (1 if self.head_bits <= 8 else 2) * self.arrays["output"].size + 4 * len(self.classes)

    @property
    def shifts(self) -> dict[str, int]:
        return {"output": self.length("output") - self.length("logits")}

    def macs_per_window(self, steps: int) -> int:
        return int(self.arrays["output"].size)


def quantize(
    weights: MeansWeights, calibration: Windows, config: QuantizeConfig, hop: int, lengths: Lengths = None
) -> MeansModel:
    """Fold the standardisation into the head and round it."""
    check_finite(weights)
    calibration = calibration_subset(calibration)
    counts, stats = calibration.counts, CalibrationStats()
    for name, values in (
        ("input", counts), ("means", counts.mean(axis=1)), ("logits", weights.logits(counts)),
    ):  # fmt: skip
        stats.update(name, values)
    kernel = (weights.means_kernel.astype(np.float64) / weights.std[:, None]).T
    low, high = stats.ranges["logits"]
    length = min(closest_length(kernel, config.bits), 30)
    logits = min(covering_length(2 * low, 2 * high, 16), length)
    scaled = np.floor(np.ldexp(kernel, length) + 0.5).astype(np.int64)
    output = saturate(scaled, config.bits)
    bias = np.floor(np.ldexp(weights.means_bias - kernel @ weights.mean, length) + 0.5).astype(np.int64)
    formats = {
        "input": TensorFormat(16, 0, *stats.ranges["input"], 0, "activation"),
        "means": TensorFormat(16, 0, *stats.ranges["means"], 0, "activation"),
        "means_sum": TensorFormat(32, 0, 0.0, 0.0, 0, "sum"),
        "output": TensorFormat(
            config.bits, length, float(kernel.min()), float(kernel.max()), 0, "weight"
        ),
        "logits": TensorFormat(16, logits, low, high, 0, "activation"),
    }  # fmt: skip
    model = MeansModel(
        bits=config.bits,
        activation_bits=config.activation_bits,
        **data_facts(calibration, hop),
        formats=formats,
        arrays={
            "output": output.astype(np.int16),
            "output_bias": bias.astype(np.int32),
            "known_windows": known_windows(counts),
        },
        bounds={
            "sum of samples": counts.shape[1] * INT16,
            "output": dot_bound(output, bias, INT16, length - logits),
        },
    )
    assert max(model.bounds.values()) < 1 << 31
    clipped = run(model, counts).saturations
    formats = {name: replace(fmt, saturations=clipped.get(name, 0)) for name, fmt in formats.items()}
    return replace(model, formats=formats)


def run(model: MeansModel, counts: NDArray[np.int16], checksums: bool = True) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state."""
    sums = np.cumsum(counts, axis=1, dtype=np.int64)
    state = sums[:, -1].astype("<i4")
    means = saturate(round_shift(state.astype(np.int64) * model.scale, SCALE_LENGTH), 16)
    total = means @ model.arrays["output"].T.astype(np.int64) + model.arrays["output_bias"]
    wide = round_shift(total, model.shifts["output"])
    logits = saturate(wide, 16)
    states = sums.astype("<i4") if checksums else sums[:, :0].astype("<i4")
    return InferenceResult(
        logits.astype(np.int32),
        np.argmax(logits, axis=1),
        state.view("<i2").reshape(len(counts), -1),
        np.array([zlib.crc32(window.tobytes()) if checksums else 0 for window in states], np.uint32),
        {"logits": int(np.count_nonzero(wide != logits))},
    )


def trace(model: MeansModel, window: NDArray[np.int16]) -> list[dict[str, NDArray[np.int64]]]:
    """Return the halves of the sums after every step, (C,) each."""
    halves = np.cumsum(window, axis=0, dtype=np.int64).astype("<i4").view("<i2").reshape(len(window), -1, 2)
    return [
        {"sum_low": step[:, 0].astype(np.int64), "sum_high": step[:, 1].astype(np.int64)} for step in halves
    ]


INTEGERS = IntegerForm(MeansModel, quantize, run, trace)
