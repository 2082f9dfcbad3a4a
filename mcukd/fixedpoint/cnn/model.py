"""Integer model of the CNN: everything that a device computes with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.model import IntegerModel
from mcukd.models.cnn_weights import CONVOLUTIONS, Convolution, cnn_macs, output_counts

#: Longest window: the number of samples so far is a signed halfword.
LONGEST_WINDOW = (1 << 15) - 1
#: The C takes as many values at once; zeros fill up input lines and rows of weights.
LANES = 4
#: Halfwords that count samples and the inputs held by each convolution.
COUNTERS = 1 + len(CONVOLUTIONS)

_ARRAY_TYPES = {
    **dict.fromkeys(CONVOLUTIONS, np.int16),
    **{f"{name}_bias": np.int32 for name in CONVOLUTIONS},
    "strides": np.int16,
    "dense": np.int16,
    "dense_bias": np.int32,
    "output": np.int16,
    "output_bias": np.int32,
    "known_windows": np.int16,
}


@dataclass(frozen=True)
class CnnModel(IntegerModel):
    """Three strided convolutions with ReLU, the sum of the last one's outputs, and a head, in integers.

    bits: width of all weights. activation_bits: of what convolutions and the hidden layer make, and of
    features.
    formats: the weights `conv1`, `conv2`, `conv3` (rows have lengths of their own), `dense`, `output`; the
    activations `input`, `conv1_out`, `conv2_out`, `conv3_out`, `features`, `dense_out`, `logits`; the sum
    `pooled`.
    arrays: conv1, conv2, conv3 (F, k, inputs), the oldest input first; strides (3,); dense (M, F), output
    (K, M); biases at the length of the sum they start; known_windows.
    """

    family: ClassVar[str] = "cnn"
    array_types: ClassVar[Mapping[str, Any]] = _ARRAY_TYPES
    trace_tensors: ClassVar[tuple[str, ...]] = (
        *(f"{name}_out" for name in CONVOLUTIONS),
        *("pooled_low", "pooled_high"),
    )
    head_input: ClassVar[str] = "features"

    @property
    def layers(self) -> tuple[Convolution, ...]:
        """Sizes of the convolutions."""
        shapes = [self.arrays[name].shape for name in CONVOLUTIONS]
        return tuple(
            Convolution(taps, int(stride), filters)
            for (filters, taps, _), stride in zip(shapes, self.arrays["strides"])
        )

    @property
    def channels(self) -> int:
        """C, the number of sensor axes."""
        return int(self.arrays["conv1"].shape[2])

    @property
    def features(self) -> int:
        """Number of filters of the last convolution, each of which gives the head one feature."""
        return self.layers[-1].filters

    @property
    def line_lengths(self) -> dict[str, int]:
        """Halfwords of each convolution's input line, the zeros that fill it up included."""
        sizes = {name: self.arrays[name][0].size for name in CONVOLUTIONS}
        return {name: -(-size // LANES) * LANES for name, size in sizes.items()}

    @property
    def state_halfwords(self) -> int:
        """Halfwords of a state: 32-bit sums, counters and input lines."""
        return 2 * self.features + COUNTERS + sum(self.line_lengths.values())

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights, biases and shifts of rows on the device, without padding."""
        layers = [*CONVOLUTIONS, "dense", "output"]
        weights = sum(self.arrays[name].size for name in layers)
        biases = sum(self.arrays[f"{name}_bias"].size for name in layers)
        shifts = sum(len(self.arrays[name]) for name in CONVOLUTIONS)
        return (1 if self.bits <= 8 else 2) * weights + 4 * biases + shifts

    @property
    def title(self) -> str:
        """The model in two words, for tables."""
        return f"CNN {self.layers[0].filters}"

    @property
    def pooled_outputs(self) -> int:
        """Number of outputs of the last convolution in a window."""
        return output_counts(self.window, self.layers)[-1]

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples."""
        return cnn_macs(self.layers, steps, self.channels, len(self.classes), self.dense)

    def row_shifts(self, name: str) -> NDArray[np.int64]:
        """Return the right shifts (F,) that bring the sums of a convolution to the length of its outputs."""
        rows = self.formats[name].row_lengths
        assert rows is not None
        source = self.length(CONVOLUTION_INPUTS[name])
        return np.array(rows, np.int64) + source - self.length(f"{name}_out")

    @property
    def shifts(self) -> dict[str, int]:
        """Right shifts of the features and the head; all round."""
        length = self.length
        return {
            "features": length("pooled") - length("features"),
            "dense": length("dense") + length("features") - length("dense_out"),
            "output": length("output") + length("dense_out") - length("logits"),
        }


#: The tensor that each convolution reads.
CONVOLUTION_INPUTS = dict(zip(CONVOLUTIONS, ("input", *(f"{name}_out" for name in CONVOLUTIONS))))
