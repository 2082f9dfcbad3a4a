"""Export of the mobilenet student as an int8 TensorFlow Lite file for whole windows, and its interpreter.

Standardisation stays outside the file, as in the one-step cell: whoever fills the int8 input takes counts to
(counts − mean) / std and that to the input's scale, one multiplication and one addition a sample.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.files import replacing
from mcukd.tflite.describe import Contents, ModelInfo, describe
from mcukd.tflite.evaluate import end_of
from mcukd.tflite.interpreter import interpreter
from mcukd.tflite.network import PROBABILITIES, Network, WindowFacts, network_of
from mcukd.tflite.process import converter

if TYPE_CHECKING:
    import keras

#: Windows per call of the interpreter.
BATCH = 64


@dataclass(frozen=True)
class WindowExport:
    """What was written: file, size, quantization of both ends, operations in order.

    output: "logits", or "probabilities" where the head mixes memory and intuition.
    value = scale · (mantissa − zero point), the input being standardised counts.
    """

    path: Path
    bytes: int
    output: str
    input_scale: float
    input_zero_point: int
    output_scale: float
    output_zero_point: int
    operations: list[str]


def export_window(
    model: keras.Model,
    classes: Sequence[str],
    counts: NDArray[np.int16],
    path: Path,
    info: ModelInfo | None = None,
) -> WindowExport:
    """Write a trained mobilenet as an int8 file for whole windows to `path`, in one step.

    counts: (N, T, C) calibration windows, on which the range of every tensor is found. The conversion runs in
    a process of its own, as that of the one-step cell does. Drop the linear path first
    (`mcukd.models.hopfield.without_intuition`) where the memory alone is to decide.
    Raises UserError for another model, for windows or class names that do not fit it, and where the converter
    fails, crashes or leaves something in float.
    """
    network = network_of(model)
    expected = (network.window, network.channels)
    if counts.ndim != 3 or not len(counts) or counts.shape[1:] != expected:
        raise UserError(
            f"TFLite export: calibration windows have shape {counts.shape}, expected (windows, "
            f"{expected[0]}, {expected[1]}); calibrate with the windows the student was trained on."
        )
    if len(classes) != network.classes:
        raise UserError(
            f"TFLite export: {len(classes)} class names for {network.classes} outputs; use the card's."
        )
    with replacing(path) as temporary:
        with tempfile.TemporaryDirectory() as scratch:
            job = Path(scratch) / "job.npz"
            np.savez(job, **network.stored(), counts=counts, classes=np.array(list(classes)))
            converter().convert(job, temporary)
        runner = WindowModel(temporary)
        if floats := runner.float_tensors:
            raise UserError(
                f"TFLite export: {len(floats)} tensors stayed in float, the first is '{floats[0]}'; report "
                f"this with the TensorFlow version."
            )
        describe(temporary, _contents(network), classes, info or ModelInfo("mcukd mobilenet"))
        size = temporary.stat().st_size
    return WindowExport(
        path,
        size,
        network.output,
        runner.x.scale,
        runner.x.zero_point,
        runner.scores.scale,
        runner.scores.zero_point,
        runner.operations,
    )


class WindowModel:
    """An exported file, ready to run. Raises UserError on a damaged one.

    reference: run the reference kernels, which give the bits of TensorFlow Lite Micro, or otherwise the
    desktop's default kernels (XNNPACK), on one thread.
    """

    def __init__(self, path: Path, *, reference: bool = True) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error}); export it anew.") from error
        self.facts = WindowFacts.read(content, str(path))
        try:
            self._interpreter = interpreter(content, reference=reference, threads=1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path}: damaged ({error}); export it anew.") from error
        # Looked up in the signature: the order of a graph's ends is the converter's.
        runner = self._interpreter.get_signature_runner()
        self.x = end_of(runner.get_input_details()["x"])
        self.scores = end_of(runner.get_output_details()[self.facts.output])
        self._rows = 1

    @property
    def operations(self) -> list[str]:
        """Names of the operations in order, for a resolver on a microcontroller."""
        names = (op["op_name"] for op in self._interpreter._get_ops_details())
        return [name for name in names if name != "DELEGATE"]

    @property
    def float_tensors(self) -> list[str]:
        """Names of the tensors that are not integers; an int8 file has none."""
        details = self._interpreter.get_tensor_details()
        return [str(d["name"]) for d in details if not np.issubdtype(d["dtype"], np.integer)]

    def run(self, counts: NDArray[np.int16]) -> NDArray[np.int8]:
        """Return the scores (N, K) int8 of windows of counts (N, T, C).

        Rows of a batch do not meet in any operation, so a batch gives the bits of one window at a time.
        """
        if len(counts) != self._rows:
            self._rows = len(counts)
            self._interpreter.resize_tensor_input(self.x.index, (len(counts), 1, *counts.shape[1:]))
            self._interpreter.allocate_tensors()
        standardised = (counts.astype(np.float64) - self.facts.mean) / self.facts.std
        self._interpreter.set_tensor(self.x.index, self.x.quantize(standardised)[:, None])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self.scores.index))

    def logits(
        self, counts: NDArray[np.int16], advance: Callable[[int, str], None] | None = None
    ) -> NDArray[np.float32]:
        """Return logits (N, K) of windows (N, T, C), `BATCH` at a time; advance: as `evaluate_windows`."""
        logits = np.zeros((len(counts), len(self.facts.classes)), np.float32)
        for start in range(0, len(counts), BATCH):
            part = counts[start : start + BATCH]
            values = self.scores.values(self.run(part))
            if self.facts.output == PROBABILITIES:
                # A mantissa of zero stands for anything below half a step.
                values = np.log(np.maximum(values, self.scores.scale / 2))
            logits[start : start + len(part)] = values
            if advance:
                advance(len(part), "windows")
        return logits


def evaluate_windows(
    path: Path, counts: NDArray[np.int16], advance: Callable[[int, str], None] | None = None
) -> NDArray[np.float32]:
    """Run the file at `path` over windows of counts (N, T, C); returns logits (N, K) float32.

    Their softmax gives the file's probabilities. Kernels are the reference's. advance: called with the
    windows done since the last call and a note (as `mcukd.progress.progress` yields it).
    Raises UserError where the file is missing, damaged or takes other windows.
    """
    model = WindowModel(path)
    expected = (model.facts.window, len(model.facts.mean))
    if counts.ndim != 3 or counts.shape[1:] != expected:
        raise UserError(
            f"{path}: windows have shape {counts.shape}, expected (windows, {expected[0]}, {expected[1]})."
        )
    return model.logits(counts, advance)


def _contents(network: Network) -> Contents:
    scores = "Probabilities" if network.output == PROBABILITIES else "Class scores"
    return Contents(
        f"A mobilenet with its head, int8, for whole windows of {network.window} samples.",
        {
            "x": "A window, standardised: (counts - mean) / std, per channel.",
            network.output: f"{scores} of the window.",
        },
        network.output,
        network.mean.tolist(),
        network.std.tolist(),
    )
