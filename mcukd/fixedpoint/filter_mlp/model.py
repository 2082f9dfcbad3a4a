"""Integer model of the filter-MLP: everything that a device computes with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcukd.fixedpoint import gates
from mcukd.fixedpoint.model import IntegerModel
from mcukd.models.filter_weights import TAPS, filter_mlp_macs_per_window

#: The three kinds of features, each with one sum per axis, in the order of the perceptron's inputs.
FEATURE_KINDS = ("mean", "passed", "filtered")
WEIGHTS = ("fir1", "fir2", "dense", "output")
#: Steps before the first filtered value that counts: only then all taps of both filters have samples.
WARMUP_STEPS = 2 * TAPS - 2
#: Fractional length of the pole. A coarser one would move the filter's corner.
POLE_LENGTH = 15
#: Fractional length of the high-passed counts: they stay below 2^17, so 31 bits hold them.
PASSED_LENGTH = 14
#: Longest window: a sum minus its mean must fit 32 bits.
LONGEST_WINDOW = (1 << 15) - 1

_WIDE = (*(f"{part}_sum" for part in FEATURE_KINDS), "passed")
_ARRAY_TYPES = {
    "pole": np.int16,
    "fir1": np.int16,
    "fir1_bias": np.int32,
    "fir2": np.int16,
    "fir2_bias": np.int32,
    "offset": np.int32,
    "scale": np.int16,
    "dense": np.int16,
    "dense_bias": np.int32,
    "output": np.int16,
    "output_bias": np.int32,
    "known_windows": np.int16,
}


@dataclass(frozen=True)
class FilterMlpModel(IntegerModel):
    """Filters, mean magnitudes of their outputs, and 3C → Dense(M, ReLU) → Dense(K), in integers.

    bits: width of taps and perceptron. gates: which kind of table tanh is read from, of `gates.GATE_TABLES`.
    formats: the weights `fir1`, `fir2` (their rows are axes), `pole`, `scale_mean`, `scale_passed`,
    `scale_filtered`, `dense`, `output`; the activations `input`, `fir1_pre`, `tanh`, `filtered`, `features`,
    `dense_out`, `logits`; the sums `passed`, `fir1_sum`, `fir2_sum`, `mean_sum`, `passed_sum`,
    `filtered_sum`.
    arrays: pole (C,); fir1, fir2 (C, 8), oldest sample first, at the length of their sum less that of what
    they read; offset, scale (3C,): added to a sum, and multiplied with it, to make a feature, kind by
    kind; dense (M, 3C), output (K, M); biases at the length of the sum they start; known_windows.
    """

    gates: str

    family: ClassVar[str] = "filter-mlp"
    array_types: ClassVar[Mapping[str, Any]] = _ARRAY_TYPES
    trace_tensors: ClassVar[tuple[str, ...]] = (
        *("passed_low", "passed_high", "fir1_pre", "tanh", "filtered"),
        *(f"{kind}_sum_{half}" for kind in FEATURE_KINDS for half in ("low", "high")),
    )

    head_input: ClassVar[str] = "features"
    constant_facts: ClassVar[Mapping[str, Any]] = {"state_shift": 0}

    @property
    def channels(self) -> int:
        """C, the number of sensor axes."""
        return int(self.arrays["pole"].shape[0])

    @property
    def state_halfwords(self) -> int:
        """Halfwords of a state: 16-bit delay lines, and 32-bit filters, sums and sample count."""
        return 2 * TAPS * self.channels + 2 * (len(_WIDE) * self.channels + 1)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights and biases on the device, without padding; taps lie there twice (`docs`)."""
        size = {name: array.size for name, array in self.arrays.items()}
        head = (1 if self.head_bits <= 8 else 2) * (size["dense"] + size["output"])
        wide = 4 * sum(number for name, number in size.items() if "bias" in name or name == "offset")
        return 2 * (2 * size["fir1"] + 2 * size["fir2"] + size["pole"] + size["scale"]) + head + wide

    @property
    def title(self) -> str:
        """The model in a word, for tables."""
        return "filter-MLP"

    @property
    def gate_table(self) -> str:
        """The kind of the table of tanh."""
        return self.gates

    @property
    def table_bytes(self) -> int:
        """Bytes of the table of tanh on the device."""
        return gates.table_bytes(self.gates)

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples."""
        return filter_mlp_macs_per_window(steps, self.channels, len(self.classes))

    @property
    def shifts(self) -> dict[str, int]:
        """Right shifts of step and head; all round but `floor`, which takes magnitudes to their sum."""
        length = self.length
        return {
            "fir1": length("fir1_sum") - length("fir1_pre"),
            "fir2": length("fir2_sum") - length("filtered"),
            "floor": length("passed") - length("passed_sum"),
            **{
                kind: length(f"{kind}_sum") + length(f"scale_{kind}") - length("features")
                for kind in FEATURE_KINDS
            },
            "dense": length("dense") + length("features") - length("dense_out"),
            "output": length("output") + length("dense_out") - length("logits"),
        }
