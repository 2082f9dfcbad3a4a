"""Machine of an integer reference: step and head over many windows, counts of clipped values, and its run."""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray, saturate
from mcukd.fixedpoint.result import InferenceResult

_CHUNK = 1024


class Saturations(Counter[str]):
    """How many values of each tensor were clipped; of `input`, how many lie at the ends of their range."""

    def narrow(self, values: IntArray, tensor: str, bits: int) -> IntArray:
        """Return values (N, …) clipped to `bits` bits; count those that were."""
        narrowed = saturate(values, bits)
        self.count(tensor, narrowed != values)
        return narrowed

    def count_input(self, sample: IntArray) -> None:
        """Count the values of samples (N, C) that lie at the ends of their range."""
        self.count("input", (sample <= -32768) | (sample >= 32767))

    def count(self, tensor: str, clipped: NDArray[np.bool_]) -> None:
        """Count which values (N, …) of a tensor were clipped."""
        self[tensor] += int(np.count_nonzero(clipped))


class State(Protocol):
    """States of N windows."""

    def halfwords(self) -> NDArray[np.int16]:
        """Return (N, H) int16, as a little-endian device holds them."""


S = TypeVar("S", bound=State)


class WindowMachine(Protocol[S]):
    """A model's step and head; the state is the caller's and is changed."""

    saturations: Saturations

    def zero_state(self, windows: int) -> S:
        """Return the state every window starts from."""

    def step(self, state: S, sample: IntArray) -> dict[str, IntArray]:
        """Step on sample counts (N, C); return the tensors of the step."""

    def head(self, state: S) -> dict[str, IntArray]:
        """Return the tensors of the head, `logits` (N, K) among them."""


def run_windows(machine: WindowMachine[S], counts: NDArray[np.int16], checksums: bool) -> InferenceResult:
    """Run windows of counts (N, T, C) from the zero state. Without `checksums` state_crc stays 0."""
    parts = [_run_chunk(machine, counts[i : i + _CHUNK], checksums) for i in range(0, len(counts), _CHUNK)]
    logits, state, crcs = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return InferenceResult(
        logits=logits.astype(np.int32),
        classes=np.argmax(logits, axis=1),
        state=state,
        state_crc=crcs,
        saturations=dict(machine.saturations),
    )


def _run_chunk(
    machine: WindowMachine[S], counts: NDArray[np.int16], checksums: bool
) -> tuple[IntArray, NDArray[np.int16], NDArray[np.uint32]]:
    state = machine.zero_state(len(counts))
    crcs = [0] * len(counts)
    for t in range(counts.shape[1]):
        machine.step(state, counts[:, t].astype(np.int64))
        if checksums:
            crcs = [zlib.crc32(row, crc) for row, crc in zip(state.halfwords(), crcs)]
    return machine.head(state)["logits"], state.halfwords(), np.array(crcs, np.uint32)
