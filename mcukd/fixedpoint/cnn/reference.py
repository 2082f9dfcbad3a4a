"""Integer reference of the CNN: the specification, vectorised over windows.

It computes what `docs/arithmetic.md`, "The CNN student", specifies. All integers are int64 here; that 32 bits
hold the sums of a device is proven in `fitting`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray, round_shift
from mcukd.fixedpoint.cnn.model import CnnModel
from mcukd.fixedpoint.machine import Saturations, run_windows
from mcukd.fixedpoint.result import InferenceResult
from mcukd.models.cnn_weights import CONVOLUTIONS


@dataclass
class CnnState:
    """States of N windows, which all have as many samples.

    pooled: (N, F) sums. sample_count: samples so far. held: inputs in each convolution's line. lines: by
    convolution, (N, halfwords) inputs, the oldest first.
    """

    pooled: IntArray
    sample_count: int
    held: dict[str, int]
    lines: dict[str, IntArray]

    def halfwords(self) -> NDArray[np.int16]:
        """Return (N, H) int16, as a little-endian device holds them."""
        counters = np.tile([self.sample_count, *self.held.values()], (len(self.pooled), 1))
        narrow = np.concatenate([counters, *self.lines.values()], axis=1).astype("<i2")
        return np.concatenate([self.pooled.astype("<i4").view("<i2"), narrow], axis=1)


@dataclass
class CnnMachine:
    """The model's step and head, with saturation counters; the state is the caller's and is changed."""

    model: CnnModel
    saturations: Saturations = field(default_factory=Saturations)

    def __post_init__(self) -> None:
        model = self.model
        self._high = (1 << (model.activation_bits - 1)) - 1
        self._layers = dict(zip(CONVOLUTIONS, model.layers))
        self._inputs = {name: model.arrays[name].shape[2] for name in CONVOLUTIONS}
        self._arrays = {name: array.astype(np.int64) for name, array in model.arrays.items()}
        self._shifts = {name: model.row_shifts(name) for name in CONVOLUTIONS}

    def zero_state(self, windows: int) -> CnnState:
        """Return the state every window starts from."""
        lines = {
            name: np.zeros((windows, length), np.int64) for name, length in self.model.line_lengths.items()
        }
        pooled = np.zeros((windows, self.model.features), np.int64)
        return CnnState(pooled, 0, dict.fromkeys(CONVOLUTIONS, 0), lines)

    def step(self, state: CnnState, sample: IntArray) -> dict[str, IntArray]:
        """Step on sample counts (N, C); return the outputs (N, F) of the convolutions that made one.

        A window of T samples is full; further samples leave its state as it is.
        """
        if state.sample_count == self.model.window:
            return {}
        self.saturations.count_input(sample)
        state.sample_count += 1
        found: dict[str, IntArray] = {}
        values = sample
        for name in CONVOLUTIONS:
            if not self._take(state, name, values):
                return found
            values = found[f"{name}_out"] = self._convolve(state, name)
        state.pooled += values
        return found

    def head(self, state: CnnState) -> dict[str, IntArray]:
        """Return `features` (N, F), `dense_out` (N, M) after ReLU, and `logits` (N, K)."""
        model = self.model
        features = round_shift(state.pooled, model.shifts["features"])
        features = self.saturations.narrow(features, "features", model.activation_bits)
        hidden = np.maximum(self._dense("dense", features, "dense_out", model.activation_bits), 0)
        return {
            "features": features,
            "dense_out": hidden,
            "logits": self._dense("output", hidden, "logits", 16),
        }

    def _take(self, state: CnnState, name: str, values: IntArray) -> bool:
        """Put an input (N, inputs) into a convolution's line; return whether the line is now full."""
        at, inputs = state.held[name], self._inputs[name]
        state.lines[name][:, at * inputs : (at + 1) * inputs] = values
        state.held[name] += 1
        return state.held[name] == self._layers[name].taps

    def _convolve(self, state: CnnState, name: str) -> IntArray:
        """Return the output (N, F) of a convolution whose line is full; move the line on by the stride."""
        layer, inputs, line = self._layers[name], self._inputs[name], state.lines[name]
        rows = self._arrays[name].reshape(layer.filters, -1)
        shifts = self._shifts[name]
        total = line[:, : rows.shape[1]] @ rows.T + self._arrays[f"{name}_bias"]
        wide = np.maximum((total + (np.int64(1) << shifts >> 1)) >> shifts, 0)
        narrow = np.minimum(wide, self._high)
        self.saturations[f"{name}_out"] += int(np.count_nonzero(narrow != wide))
        kept, moved = (layer.taps - layer.stride) * inputs, layer.stride * inputs
        # The places behind what is kept hold what they held, until inputs overwrite them.
        line[:, :kept] = line[:, moved : moved + kept].copy()
        state.held[name] = layer.taps - layer.stride
        return narrow

    def _dense(self, name: str, inputs: IntArray, target: str, bits: int) -> IntArray:
        total = inputs @ self._arrays[name].T + self._arrays[f"{name}_bias"]
        return self.saturations.narrow(round_shift(total, self.model.shifts[name]), target, bits)


def run(model: CnnModel, counts: NDArray[np.int16], checksums: bool = True) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state. Without `checksums` state_crc stays 0.

    Windows shorter than the model's T are divided by its number of outputs all the same; of longer ones the
    first T samples count.
    """
    return run_windows(CnnMachine(model), counts, checksums)


def trace(model: CnnModel, window: NDArray[np.int16]) -> list[dict[str, IntArray]]:
    """Run one window (T, C); return `model.trace_tensors` of every step.

    Each has as many values as the widest convolution has filters, zeros behind its own; outputs are zeros in
    steps that made none. The sums after the step are in halves.
    """
    machine = CnnMachine(model)
    values = max(layer.filters for layer in model.layers)
    state, steps = machine.zero_state(1), []
    for sample in window:
        found = {
            name: outputs[0] for name, outputs in machine.step(state, sample[None].astype(np.int64)).items()
        }
        halves = state.pooled[0].astype("<i4").view("<i2").reshape(-1, 2).astype(np.int64)
        found.update(pooled_low=halves[:, 0], pooled_high=halves[:, 1])
        tensors = {name: np.zeros(values, np.int64) for name in model.trace_tensors}
        for name, own in found.items():
            tensors[name][: len(own)] = own
        steps.append(tensors)
    return steps
