"""Conversion to integers, run as a process of its own: `python -m mcukd.tflite.convert`.

Quantized conversions are known to crash the whole process; here that costs a child, not the user's run.
Each line on standard input is a job, `JOB.npz<tab>OUT.tflite`; each is answered by a line on standard
output, `done` or `failed <reason>`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.models.tflite_widths import INT8, TFLITE_WIDTHS, TfliteWidths
from mcukd.models.weights import GruMlpWeights
from mcukd.tensorflow_setup import SCHEMA, part
from mcukd.tflite.cell import FACTS_ENTRY, CellFacts, build_cell, chosen_ranges
from mcukd.tflite.integers import integers
from mcukd.tflite.metadata import model_bytes, with_entry
from mcukd.tflite.network import Network, WindowFacts, build_graph

FloatArray = NDArray[np.float32]
#: All tensors of all windows of a batch are kept, some megabytes a window.
CALIBRATION_BATCH = 16
#: Share of a tensor's values that may lie beyond each end of its range, in a network for whole windows. Its
#: sums of many inputs have rare giants: with room for these, int8 steps are several times as coarse for all.
CLIPPED = 1e-4
#: The same of a cell whose state is in two tensors, whose sums saturate in its sigmoids and tanh anyway.
CLIPPED_CELL = 1e-3


def convert(
    weights: GruMlpWeights, counts: NDArray[np.int16], classes: Iterable[str], widths: TfliteWidths = INT8
) -> bytes:
    """Quantize the one-step cell to int8 or int16x8 and return the file's bytes.

    counts: (N, T, C) calibration windows. The range of every tensor is what the float cell shows on all
    pairs (x_t, h_{t−1}) of the roll-out over them, of a state in two tensors but for `CLIPPED_CELL` of the
    values at each end. The state's steps are chosen, the same at both ends, so that the state of one step is
    the next one's input as it is. An int8 state is carried in two tensors or in one, whichever brings the
    probabilities of the calibration windows nearer to the float student's: two keep what slow units add, one
    needs fewer roundings where all units are fast.
    """
    facts = CellFacts(
        tuple(weights.mean.tolist()), tuple(weights.std.tolist()), weights.hidden, tuple(classes)
    )

    def cell(in_two: bool) -> bytes:
        return with_entry(
            convert_cell(weights, counts, widths, in_two=in_two), FACTS_ENTRY, facts.to_json().encode()
        )

    if widths.activation_bits > 8:
        return cell(False)
    return min((cell(True), cell(False)), key=lambda model: _error(model, weights, counts))


def convert_cell(
    weights: GruMlpWeights, counts: NDArray[np.int16], widths: TfliteWidths, *, in_two: bool
) -> bytes:
    """Return the bytes of a quantized cell, without our facts, as `convert` says.

    in_two: whether the state is carried as two tensors.
    """
    module = build_cell(weights, in_two=in_two)
    float_model = _float_model(module, module.step)

    def batches() -> Iterator[dict[str, FloatArray]]:
        for batch in roll_out(weights, counts):
            yield {**batch, "h_low": np.zeros_like(batch["h"])} if in_two else batch

    seen = observe_ranges(float_model, batches(), counts[..., 0].size * CLIPPED_CELL if in_two else 0.0)
    tree = part(SCHEMA).ModelT.InitFromPackedBuf(bytearray(float_model), 0)
    integers(tree, {**seen, **_by_index(tree, chosen_ranges(in_two=in_two))}, widths)
    return model_bytes(tree)


def _error(model: bytes, weights: GruMlpWeights, counts: NDArray[np.int16]) -> float:
    """Return the mean difference of a cell's probabilities from the float student's on windows."""
    from mcukd.metrics.metric import softmax
    from mcukd.tflite.evaluate import evaluate

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "cell.tflite"
        path.write_bytes(model)
        return float(np.abs(softmax(evaluate(path, counts)) - softmax(weights.logits(counts))).mean())


def convert_window(network: Network, counts: NDArray[np.int16], classes: Iterable[str]) -> bytes:
    """Quantize a network for whole windows to int8 and return the file's bytes.

    counts: (N, T, C) calibration windows. The range of every tensor is what the float network shows on them,
    but for `CLIPPED` of the values at each end, which saturate.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    graph = build_graph(network)

    def batches() -> Iterator[dict[str, FloatArray]]:
        for start in range(0, len(counts), CALIBRATION_BATCH):
            x = (counts[start : start + CALIBRATION_BATCH].astype(np.float64) - network.mean) / network.std
            yield {"x": x[:, None].astype(np.float32)}

    float_model = _float_model(graph, graph.run)
    ranges = observe_ranges(float_model, batches(), len(counts) * CLIPPED)
    mlir_quantize = part("tensorflow.lite.python.convert").mlir_quantize
    quantized = bytes(
        mlir_quantize(_with_ranges(float_model, ranges), input_data_type=tf.int8, output_data_type=tf.int8)
    )
    facts = WindowFacts(
        tuple(network.mean.tolist()),
        tuple(network.std.tolist()),
        network.window,
        tuple(classes),
        network.output,
    )
    return with_entry(quantized, FACTS_ENTRY, facts.to_json().encode())


def _float_model(module: Any, function: Any) -> bytes:
    from mcukd.tensorflow_setup import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    return bytes(converter.convert())


def roll_out(weights: GruMlpWeights, counts: NDArray[np.int16]) -> Iterator[dict[str, FloatArray]]:
    """Yield the T batches {"x": (N, C), "h": (N, H)} of standardised samples and the states they meet."""
    x = (counts.astype(np.float64) - weights.mean) / weights.std
    h = np.zeros((len(counts), weights.hidden))
    for t in range(counts.shape[1]):
        yield {"x": x[:, t].astype(np.float32), "h": h.astype(np.float32)}
        h = weights.step(x[:, t], h)


def observe_ranges(
    model: bytes, batches: Iterable[Mapping[str, FloatArray]], beyond: float = 0.0
) -> dict[int, tuple[float, float]]:
    """Run a float model on batches and return the least and greatest value of each computed tensor by index.

    beyond: so many values of each element of a tensor, in all batches, may lie below the least and as many
    above the greatest; of a tensor with few elements that is none.

    TensorFlow's own calibrator reads tensors whose memory another one has taken over meanwhile: it
    reports −1.7 as the least value of a sigmoid. Here every tensor keeps its memory.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_content=model, experimental_preserve_all_tensors=True)
    inputs = interpreter.get_signature_runner().get_input_details()
    index = {name: int(details["index"]) for name, details in inputs.items()}
    computed: dict[int, _Ends] = {}
    rows = 0
    for batch in batches:
        if len(batch["x"]) != rows:
            rows = len(batch["x"])
            for name, tensor in index.items():
                interpreter.resize_tensor_input(tensor, batch[name].shape)
            interpreter.allocate_tensors()
            touched = {*index.values(), *_computed_tensors(interpreter)}
        for name, tensor in index.items():
            interpreter.set_tensor(tensor, batch[name])
        interpreter.invoke()
        for tensor in touched:
            values = interpreter.get_tensor(tensor)
            if tensor not in computed:
                computed[tensor] = _Ends(1 + int(beyond * values.size / rows))
            computed[tensor].add(values)
    return {tensor: ends.range for tensor, ends in computed.items()}


class _Ends:
    """The `number` least and greatest values of a tensor, of which the innermost are its range."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.greatest = self.negated_least = np.zeros(0, np.float32)

    def add(self, values: FloatArray) -> None:
        """Keep what of more values belongs to the ends. Raises ValueError where one is not finite."""
        if not np.isfinite(values).all():
            raise ValueError("the float student gives values that are not finite on the calibration windows")
        self.greatest = self._with(self.greatest, values)
        self.negated_least = self._with(self.negated_least, -values)

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest value; the outermost where the innermost leave nothing between them."""
        for low, high in (
            (-self.negated_least.min(), self.greatest.min()),
            (-self.negated_least.max(), self.greatest.max()),
        ):
            if low < high:
                break
        return float(low), float(high)

    def _with(self, kept: FloatArray, values: FloatArray) -> FloatArray:
        full = len(kept) == self.number
        together = np.concatenate([kept, values[values > kept.min()] if full else values.ravel()])
        if len(together) <= self.number:
            return together
        return np.asarray(np.partition(together, len(together) - self.number)[-self.number :])


def _computed_tensors(interpreter: Any) -> set[int]:
    return {int(tensor) for op in interpreter._get_ops_details() for tensor in op["outputs"]}


def _with_ranges(model: bytes, ranges: Mapping[int, tuple[float, float]]) -> bytes:
    schema = part(SCHEMA)

    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    graph = tree.subgraphs[0]
    for number, bounds in ranges.items():
        tensor = graph.tensors[number]
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.min, tensor.quantization.max = [bounds[0]], [bounds[1]]
    return model_bytes(tree)


def _by_index(tree: Any, by_name: Mapping[str, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Return by index what is stated by name: of an end in the signature, or of an operation's result."""
    numbers = {tensor.name.decode(): index for index, tensor in enumerate(tree.subgraphs[0].tensors)}
    signature = tree.signatureDefs[0]
    numbers.update((end.name.decode(), end.tensorIndex) for end in (*signature.inputs, *signature.outputs))
    if missing := sorted(set(by_name) - set(numbers)):
        raise ValueError(f"the converter left no tensor of the name {missing[0]}")
    return {int(numbers[name]): bounds for name, bounds in by_name.items()}


def main() -> None:
    """Serve jobs written by `mcukd.tflite.export` until standard input ends."""
    # Whatever TensorFlow's native code prints goes to standard error, so that answers stay whole lines.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogateescape")
    os.dup2(2, 1)
    for line in sys.stdin:
        job, out = map(Path, line.rstrip("\n").split("\t"))
        try:
            with np.load(job, allow_pickle=False) as stored:
                counts, classes = stored["counts"], [str(name) for name in stored["classes"]]
                if "stem/kernel" in stored:
                    model = convert_window(Network.from_stored(stored), counts, classes)
                else:
                    widths = TFLITE_WIDTHS[str(stored["widths"])]
                    model = convert(GruMlpWeights.from_arrays(stored), counts, classes, widths)
            out.write_bytes(model)
            answer = "done"
        except Exception as error:  # whatever TensorFlow raises becomes the parent's one sentence
            answer = " ".join(f"failed {type(error).__name__}: {error}".split())[:500]
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
