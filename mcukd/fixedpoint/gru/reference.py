"""Integer reference of the GRU-MLP: the specification, vectorised over windows.

It computes exactly what `docs/arithmetic.md` says. Matrix products run in float64, which is exact here: every
partial sum is an integer below 2^31 (`bounds.py`), far below 2^53.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint import gates
from mcukd.fixedpoint.arithmetic import IntArray, round_shift
from mcukd.fixedpoint.gru.model import GruMlpModel
from mcukd.fixedpoint.machine import Saturations
from mcukd.fixedpoint.result import InferenceResult, StreamResult

_CHUNK = 4096


@dataclass
class Machine:
    """The model's step and head, with saturation counters; state is the caller's."""

    model: GruMlpModel
    saturations: Saturations = field(default_factory=Saturations)

    def __post_init__(self) -> None:
        self._shifts = self.model.shifts
        self._weights = {
            name: np.ascontiguousarray(array.T, np.float64)
            for name, array in self.model.arrays.items()
            if name.startswith(("kernel", "recurrent")) or name in ("dense", "output")
        }

    def zero_state(self, windows: int) -> IntArray:
        """Return the state every window starts from, (windows, H)."""
        return np.zeros((windows, self.model.hidden), np.int64)

    def step(self, state: IntArray, sample: IntArray) -> dict[str, IntArray]:
        """Step state (N, H) on sample counts (N, C); return every tensor, the new state as `h`.

        z and r are 0 … 65535 for 0 … 1.
        """
        model, shifts = self.model, self._shifts
        self.saturations.count_input(sample)
        truncated_state = state >> model.state_shift
        pre = {
            g: self._pre(
                g, self._input_sum(g, sample) + (self._state_sum(g, truncated_state) >> shifts[f"state_{g}"])
            )
            for g in ("z", "r")
        }
        z, r = (gates.gate(pre[g], model.gates) for g in ("z", "r"))
        carried = self._state_sum("h", truncated_state) + model.arrays["bias_h_rec"]
        h_rec = self.saturations.narrow(round_shift(carried, shifts["h_rec"]), "h_rec", 16)
        pre_h = self._pre("h", self._input_sum("h", sample) + ((r * h_rec) >> shifts["gated"]))
        candidate = gates.gate(pre_h, model.gates) - 32768
        mixed = round_shift((65536 - z) * candidate + z * (state << shifts["h"]), 16)
        h = self.saturations.narrow(round_shift(mixed, shifts["h"]), "h", model.activation_bits)
        return {
            "z_pre": pre["z"], "r_pre": pre["r"], "z": z, "r": r,
            "h_rec": h_rec, "h_pre": pre_h, "h_cand": candidate, "h": h,
        }  # fmt: skip

    def head(self, state: IntArray) -> dict[str, IntArray]:
        """Return the head's tensors of a state (N, H): `dense_out` (N, M) after ReLU, and `logits` (N, K).

        Without a hidden layer there are only logits, each the largest of its class's scores.
        """
        if not self.model.dense:
            scores = round_shift(self._sum("output", state), self._shifts["output"])
            largest = scores.reshape(len(scores), len(self.model.classes), -1).max(axis=2)
            return {"logits": self.saturations.narrow(largest, "logits", 16)}
        hidden = np.maximum(self._layer("dense", state, "dense_out", self.model.activation_bits), 0)
        return {"dense_out": hidden, "logits": self._layer("output", hidden, "logits", 16)}

    def _input_sum(self, gate: str, sample: IntArray) -> IntArray:
        return self._dot(sample, f"kernel_{gate}") + self.model.arrays[f"bias_{gate}"]

    def _state_sum(self, gate: str, truncated_state: IntArray) -> IntArray:
        return self._dot(truncated_state, f"recurrent_{gate}")

    def _pre(self, gate: str, total: IntArray) -> IntArray:
        bits = gates.PRE_BITS[self.model.gates]
        return self.saturations.narrow(round_shift(total, self._shifts[f"{gate}_pre"]), f"{gate}_pre", bits)

    def _layer(self, name: str, inputs: IntArray, target: str, bits: int) -> IntArray:
        return self.saturations.narrow(round_shift(self._sum(name, inputs), self._shifts[name]), target, bits)

    def _sum(self, name: str, inputs: IntArray) -> IntArray:
        return self._dot(inputs, name) + self.model.arrays[f"{name}_bias"]

    def _dot(self, inputs: IntArray, name: str) -> IntArray:
        return (inputs.astype(np.float64) @ self._weights[name]).astype(np.int64)


def run(model: GruMlpModel, counts: NDArray[np.int16], checksums: bool = True) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state; any T. Without `checksums` state_crc stays 0."""
    machine = Machine(model)
    parts = [_run_chunk(machine, counts[i : i + _CHUNK], checksums) for i in range(0, len(counts), _CHUNK)]
    logits, state, crcs = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return InferenceResult(
        logits=logits.astype(np.int32),
        classes=np.argmax(logits, axis=1),
        state=state.astype(np.int16),
        state_crc=crcs,
        saturations=dict(machine.saturations),
    )


def _run_chunk(
    machine: Machine, counts: NDArray[np.int16], checksums: bool
) -> tuple[IntArray, IntArray, NDArray[np.uint32]]:
    windows, steps, _ = counts.shape
    state = machine.zero_state(windows)
    history = np.zeros((windows, steps if checksums else 0, machine.model.hidden), "<i2")
    for t in range(steps):
        state = machine.step(state, counts[:, t].astype(np.int64))["h"]
        if checksums:
            history[:, t] = state
    crcs = np.array([zlib.crc32(h.tobytes()) if checksums else 0 for h in history], np.uint32)
    return machine.head(state)["logits"], state, crcs


def run_stream(
    model: GruMlpModel,
    samples: NDArray[np.int16],
    hop: int,
    state_before: NDArray[np.int16] | None = None,
    taken: int = 0,
) -> StreamResult:
    """Run a recording (S, C) with a carried state; see `mcukd.fixedpoint.reference.run_stream`."""
    machine = Machine(model)
    kept, state = [], machine.zero_state(1)
    if state_before is not None:
        state = state_before[None].astype(np.int64)
    for number, sample in enumerate(samples, taken + 1):
        state = machine.step(state, sample[None].astype(np.int64))["h"]
        if number >= model.window and (number - model.window) % hop == 0:
            kept.append(state)
    states = np.concatenate(kept) if kept else np.zeros((0, model.hidden), np.int64)
    logits = machine.head(states)["logits"]
    return StreamResult(
        logits.astype(np.int32), np.argmax(logits, axis=1), states.astype(np.int16), state[0].astype(np.int16)
    )


def trace(model: GruMlpModel, window: NDArray[np.int16]) -> list[dict[str, IntArray]]:
    """Run one window (T, C) and return every tensor of every step, each (H,) and within 16 bits.

    Tensors are those of `TRACE_TENSORS`. z and r are given less 32768, the form in which they fit a signed
    halfword.
    """
    machine = Machine(model)
    state, steps = machine.zero_state(1), []
    for sample in window:
        tensors = machine.step(state, sample[None].astype(np.int64))
        state = tensors["h"]
        steps.append({name: values[0] - 32768 * (name in ("z", "r")) for name, values in tensors.items()})
    return steps
