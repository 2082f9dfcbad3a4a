"""Interpreter of an exported cell over windows, step by step as on a microcontroller.

Reference kernels are used (`OpResolverType.BUILTIN_REF`): they give the bits of TensorFlow Lite Micro,
while the desktop's default kernels (XNNPACK) differ in the last bit on some windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.tflite.cell import STATES, read_facts
from mcukd.tflite.interpreter import interpreter

#: Which kernels `evaluate` runs, for reports.
KERNELS = "TensorFlow Lite reference kernels (BUILTIN_REF)"
BATCH = 256


@dataclass(frozen=True)
class End:
    """One input or output tensor: its index, value = scale · (mantissa − zero point), and its integers."""

    index: int
    scale: float
    zero_point: int
    dtype: type[np.signedinteger[Any]] = np.int8

    def quantize(self, values: NDArray[Any]) -> NDArray[np.signedinteger[Any]]:
        """Return the nearest mantissas, saturated to the tensor's integers."""
        mantissas = np.round(values / self.scale) + self.zero_point
        limits = np.iinfo(self.dtype)
        return np.asarray(np.clip(mantissas, limits.min, limits.max).astype(self.dtype))

    def values(self, mantissas: NDArray[np.signedinteger[Any]]) -> NDArray[np.float32]:
        """Return the real values of mantissas."""
        return np.asarray((mantissas.astype(np.float32) - self.zero_point) * np.float32(self.scale))


class Cell:
    """An exported one-step cell, ready to run on reference kernels. Raises UserError on a damaged file.

    states: each state by its name as input, with the end where it enters and the one where it leaves.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error}); run 'mcukd quantize' to make it.") from error
        self.facts = read_facts(content, str(path))
        try:
            self._interpreter = interpreter(content, reference=True)
            self._allocate(1)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path}: damaged ({error}); run 'mcukd quantize' to make it anew.") from error
        runner = self._interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        self.x, self.logits = end_of(inputs["x"]), end_of(outputs["logits"])
        self.states = {
            name: (end_of(inputs[name]), end_of(outputs[after]))
            for name, after in STATES.items()
            if name in inputs
        }

    @property
    def operations(self) -> list[str]:
        """Names of the operations in order, for a resolver on a microcontroller."""
        return [op["op_name"] for op in self._interpreter._get_ops_details()]

    def run(self, counts: NDArray[np.int16]) -> NDArray[np.signedinteger[Any]]:
        """Roll the cell over windows of counts (N, T, C) and return the last step's logits (N, K).

        They are int8, of an int16x8 file int16. Rows of a batch do not meet in any operation, so a batch
        gives the bits of one window at a time.
        """
        self._allocate(len(counts))
        standardised = (counts.astype(np.float64) - self.facts.mean) / self.facts.std
        samples = self.x.quantize(standardised)
        shape = (len(counts), self.facts.hidden)
        ends = tuple(self.states.values())
        carried = [np.full(shape, before.zero_point, before.dtype) for before, _ in ends]
        for t in range(counts.shape[1]):
            self._interpreter.set_tensor(self.x.index, samples[:, t])
            for (before, _), state in zip(ends, carried):
                self._interpreter.set_tensor(before.index, state)
            self._interpreter.invoke()
            carried = [self._interpreter.get_tensor(after.index) for _, after in ends]
        return np.asarray(self._interpreter.get_tensor(self.logits.index))

    def _allocate(self, rows: int) -> None:
        for details in self._interpreter.get_input_details():
            self._interpreter.resize_tensor_input(details["index"], (rows, details["shape"][1]))
        self._interpreter.allocate_tensors()


def evaluate(
    path: Path, counts: NDArray[np.int16], advance: Callable[[int, str], None] | None = None
) -> NDArray[np.float32]:
    """Run the exported cell at `path` over windows of counts (N, T, C); returns logits (N, K) float32.

    The integer state is carried from step to step as it is. Kernels: see `KERNELS`. advance: called with
    the windows done since the last call and a note (as `mcukd.progress.progress` yields it).
    Raises UserError where the file is missing, damaged or takes other channels.
    """
    return evaluate_cell(Cell(path), counts, str(path), advance)


def evaluate_cell(
    cell: Cell,
    counts: NDArray[np.int16],
    name: str,
    advance: Callable[[int, str], None] | None = None,
) -> NDArray[np.float32]:
    """Run a cell over windows of counts (N, T, C), as `evaluate` does. name: of its file, for messages."""
    if counts.ndim != 3 or counts.shape[2] != len(cell.facts.mean):
        raise UserError(
            f"{name}: windows have shape {counts.shape}, expected (windows, samples, {len(cell.facts.mean)})."
        )
    logits = np.zeros((len(counts), len(cell.facts.classes)), np.float32)
    for start in range(0, len(counts), BATCH):
        part = counts[start : start + BATCH]
        logits[start : start + len(part)] = cell.logits.values(cell.run(part))
        if advance:
            advance(len(part), "windows")
    return logits


def end_of(details: dict[str, Any]) -> End:
    """Return the end that an interpreter's details of a tensor describe."""
    scale, zero_point = details["quantization"]
    return End(int(details["index"]), float(scale), int(zero_point), details["dtype"])
