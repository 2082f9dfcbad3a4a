"""Integer reference of the filter-MLP: the specification, vectorised over windows.

It computes what `docs/arithmetic.md`, "The filter student", specifies. All integers are int64 here;
that 32 bits hold the sums of a device is proven in `fitting`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint import gates
from mcukd.fixedpoint.arithmetic import IntArray, round_shift
from mcukd.fixedpoint.filter_mlp.model import (
    FEATURE_KINDS,
    PASSED_LENGTH,
    POLE_LENGTH,
    WARMUP_STEPS,
    FilterMlpModel,
)
from mcukd.fixedpoint.machine import Saturations, run_windows
from mcukd.fixedpoint.result import InferenceResult
from mcukd.models.filter_weights import TAPS


@dataclass
class FilterState:
    """States of N windows.

    highpassed (N, C), sums (N, 3, C), x and u (N, C, 8): delay lines. sample_count: samples so far.
    """

    highpassed: IntArray
    sums: IntArray
    sample_count: int
    x: IntArray
    u: IntArray

    def halfwords(self) -> NDArray[np.int16]:
        """Return (N, H) int16, as a little-endian device holds them."""
        windows = len(self.highpassed)
        sample_count = np.full((windows, 1), self.sample_count)
        wide = np.concatenate([self.highpassed, self.sums.reshape(windows, -1), sample_count], axis=1)
        narrow = np.concatenate([self.x.reshape(windows, -1), self.u.reshape(windows, -1)], axis=1)
        return np.concatenate([wide.astype("<i4").view("<i2"), narrow.astype("<i2")], axis=1)


@dataclass
class FilterMachine:
    """The model's step and head, with saturation counters; the state is the caller's and is changed."""

    model: FilterMlpModel
    saturations: Saturations = field(default_factory=Saturations)

    def __post_init__(self) -> None:
        self._shifts = self.model.shifts
        self._arrays = {name: array.astype(np.int64) for name, array in self.model.arrays.items()}

    def zero_state(self, windows: int) -> FilterState:
        """Return the state every window starts from."""
        channels = self.model.channels
        line = np.zeros((windows, channels, TAPS), np.int64)
        sums = np.zeros((windows, len(FEATURE_KINDS), channels), np.int64)
        return FilterState(sums[:, 0].copy(), sums, 0, line, line.copy())

    def step(self, state: FilterState, sample: IntArray) -> dict[str, IntArray]:
        """Step on sample counts (N, C); return `passed`, `fir1_pre`, `tanh`, `filtered` and the sums, (N, C).

        A window of T samples is full; further samples leave its state as it is.
        """
        model, t = self.model, state.sample_count
        at = t % TAPS
        if t == model.window:
            return self._tensors(state, *(np.zeros_like(state.highpassed) for _ in range(2)))
        self.saturations.count_input(sample)
        if t:
            change = (sample - state.x[:, :, (t - 1) % TAPS]) << PASSED_LENGTH
            state.highpassed = change + round_shift(self._arrays["pole"] * state.highpassed, POLE_LENGTH)
        state.x[:, :, at] = sample
        pre = self._fir("fir1", state.x, t, "fir1_pre", gates.PRE_BITS[model.gates])
        state.u[:, :, at] = gates.gate(pre, model.gates) - 32768
        filtered = self._fir("fir2", state.u, t, "filtered", 16)
        state.sums[:, 0] += sample
        state.sums[:, 1] += np.abs(state.highpassed) >> self._shifts["floor"]
        if t >= WARMUP_STEPS:
            state.sums[:, 2] += np.abs(filtered)
        state.sample_count = t + 1
        return self._tensors(state, pre, filtered)

    def head(self, state: FilterState) -> dict[str, IntArray]:
        """Return `features` (N, 3C), `dense_out` (N, M) after ReLU, and `logits` (N, K)."""
        model, arrays = self.model, self._arrays
        sums = state.sums.reshape(len(state.sums), -1) + arrays["offset"]
        shifts = np.repeat([self._shifts[kind] for kind in FEATURE_KINDS], model.channels)
        scaled = (sums * arrays["scale"] + (np.int64(1) << (shifts - 1))) >> shifts
        features = self.saturations.narrow(scaled, "features", model.activation_bits)
        hidden = np.maximum(self._layer("dense", features, "dense_out", model.activation_bits), 0)
        return {
            "features": features,
            "dense_out": hidden,
            "logits": self._layer("output", hidden, "logits", 16),
        }

    def _fir(self, name: str, line: IntArray, t: int, target: str, bits: int) -> IntArray:
        """Filter delay lines (N, C, 8) whose newest value lies at t mod 8; the newest meets the last tap."""
        taps = np.roll(self._arrays[name], t + 1, axis=1)
        total = np.einsum("ncp,cp->nc", line, taps) + self._arrays[f"{name}_bias"]
        return self.saturations.narrow(round_shift(total, self._shifts[name]), target, bits)

    def _layer(self, name: str, inputs: IntArray, target: str, bits: int) -> IntArray:
        total = inputs @ self._arrays[name].T + self._arrays[f"{name}_bias"]
        return self.saturations.narrow(round_shift(total, self._shifts[name]), target, bits)

    @staticmethod
    def _tensors(state: FilterState, pre: IntArray, filtered: IntArray) -> dict[str, IntArray]:
        newest = state.u[:, :, (state.sample_count - 1) % TAPS]
        sums = {f"{kind}_sum": state.sums[:, n] for n, kind in enumerate(FEATURE_KINDS)}
        return {"passed": state.highpassed, "fir1_pre": pre, "tanh": newest, "filtered": filtered, **sums}


def run(model: FilterMlpModel, counts: NDArray[np.int16], checksums: bool = True) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state. Without `checksums` state_crc stays 0.

    Windows shorter than the model's T are divided by T all the same; of longer ones the first T count.
    """
    return run_windows(FilterMachine(model), counts, checksums)


def trace(model: FilterMlpModel, window: NDArray[np.int16]) -> list[dict[str, IntArray]]:
    """Run one window (T, C); return `model.trace_tensors` of every step, (C,) each, 32-bit ones in halves."""
    machine = FilterMachine(model)
    state, steps = machine.zero_state(1), []
    for sample in window:
        tensors = {}
        for name, values in machine.step(state, sample[None].astype(np.int64)).items():
            if f"{name}_low" in model.trace_tensors:
                halves = values[0].astype("<i4").view("<i2").reshape(-1, 2).astype(np.int64)
                tensors.update({f"{name}_low": halves[:, 0], f"{name}_high": halves[:, 1]})
            else:
                tensors[name] = values[0].copy()
        steps.append(tensors)
    return steps
