"""Quantization of a cell's float graph, tensor by tensor, on the file's own tables.

TensorFlow's quantizers leave no choice of a tensor's scale, and the one for 16-bit activations finds ranges
of its own, with the wrong values of `observe_ranges`. A cell has few kinds of operation, so that what each
asks of its tensors is soon written down: weights with one scale per output, symmetric; biases in the scale of
the sums; sigmoid and tanh leaving with the scale that their kernels were built for; the rest by ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.models.tflite_widths import TfliteWidths
from mcukd.tensorflow_setup import SCHEMA, part

#: Largest mantissa of a weight; its negative is the smallest, as the kernels ask.
WEIGHT_LIMIT = 127
#: How far from zero a function's argument counts: beyond, 8-bit results hardly change by a step.
SATURATED = {"LOGISTIC": 8.0, "TANH": 4.0}


def integers(tree: Any, ranges: Mapping[int, tuple[float, float]], widths: TfliteWidths) -> None:
    """Turn a float model's tables (`ModelT`) of one subgraph into those of an integer model, in place.

    ranges: least and greatest value of each computed tensor and each input, by index. Activations of 8 bits
    use the whole range and have a zero point, those of 16 bits are symmetric about it, as their kernels ask.
    Raises ValueError for an operation that cells do not have.
    """
    schema = part(SCHEMA)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    graph = tree.subgraphs[0]
    limits = {}
    if widths.activation_bits == 8:
        for op in graph.operators:
            if (name := _operation(tree, op, names)) in SATURATED:
                limits[int(op.inputs[0])] = SATURATED[name]
    done: set[int] = set()

    def activation(number: int) -> tuple[float, int]:
        """Quantize a tensor of activations, once; return its scale and zero point."""
        tensor = graph.tensors[number]
        if number not in done:
            done.add(number)
            values = _constant(tree, tensor)
            low, high = ranges[number] if values is None else (float(values.min()), float(values.max()))
            limit = limits.get(number, np.inf)
            low, high = max(low, -limit), min(high, limit)
            _describe(schema, tensor, widths.activation_bits, *scale_of(low, high, widths.activation_bits))
            if values is not None:
                _fill(tree, tensor, values, widths.activation_bits)
        return tensor.quantization.scale[0], tensor.quantization.zeroPoint[0]

    def parameter(number: int, scale: NDArray[np.float64], bits: int) -> int:
        """Add the constant `number` with a scale for each row; return the index of the new tensor.

        A new one each time: the converter lets operations share equal constants, whose scales then differ.
        """
        values = _constant(tree, graph.tensors[number])
        tensor = schema.TensorT()
        tensor.name, tensor.shape = graph.tensors[number].name, graph.tensors[number].shape
        tensor.buffer = len(tree.buffers)
        tree.buffers.append(schema.BufferT())
        graph.tensors.append(tensor)
        _describe(schema, tensor, bits, scale, np.zeros(len(scale), np.int64))
        _fill(tree, tensor, values, bits)
        return len(graph.tensors) - 1

    for number in (*graph.inputs, *(op.outputs[0] for op in graph.operators)):
        activation(int(number))
    for op in graph.operators:
        name = _operation(tree, op, names)
        if name == "FULLY_CONNECTED":
            x, kernel, bias = (int(number) for number in op.inputs)
            weights = _constant(tree, graph.tensors[kernel])
            largest = np.maximum(np.abs(weights).max(axis=1).astype(np.float64), 1e-9)
            scales = (largest / WEIGHT_LIMIT).astype(np.float32).astype(np.float64)
            entering = activation(x)[0]
            op.inputs = [x, parameter(kernel, scales, 8), bias]
            if bias >= 0:  # the converter drops one that is zero
                op.inputs[2] = parameter(bias, entering * scales, widths.bias_bits)
        elif name in ("LOGISTIC", "TANH"):
            bits = widths.activation_bits
            scale, zero = (2.0 ** (1 - bits), 0)
            if name == "LOGISTIC" and bits == 8:
                scale, zero = 2.0**-bits, -(2 ** (bits - 1))
            _describe(schema, graph.tensors[int(op.outputs[0])], bits, scale, zero)
        elif name in ("ADD", "SUB", "MUL"):
            for number in op.inputs:
                activation(int(number))
        else:
            raise ValueError(f"the operation {name} of a cell has no integer form here")
    _drop_unused(tree)


def scale_of(low: float, high: float, bits: int) -> tuple[float, int]:
    """Return scale and zero point of `bits` for values from `low` to `high`; zero itself has a mantissa."""
    low, high = min(low, 0.0), max(high, 0.0)
    largest = 2 ** (bits - 1) - 1
    if bits > 8:
        return max(-low, high, 1e-9) / largest, 0
    scale = max(high - low, 1e-9) / (2**bits - 1)
    return scale, round(-largest - 1 - low / scale)


def _operation(tree: Any, op: Any, names: Mapping[int, str]) -> str:
    code = tree.operatorCodes[op.opcodeIndex]
    return names[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _constant(tree: Any, tensor: Any) -> Any:
    """Return a constant's values, float32 in the tensor's shape, or None where it is computed."""
    data = tree.buffers[tensor.buffer].data
    if data is None or not len(data):
        return None
    shape = () if tensor.shape is None else tuple(tensor.shape)
    return np.frombuffer(bytes(bytearray(data)), np.float32).reshape(shape)


def _describe(schema: Any, tensor: Any, bits: int, scale: Any, zero: Any) -> None:
    tensor.type = getattr(schema.TensorType, f"INT{bits}")
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.atleast_1d(np.asarray(scale, np.float32))
    tensor.quantization.zeroPoint = np.atleast_1d(np.asarray(zero, np.int64))


def _fill(tree: Any, tensor: Any, values: NDArray[np.float32], bits: int) -> None:
    """Store a constant's mantissas; where there are scales for several rows, a row is the first axis."""
    scale = tensor.quantization.scale.astype(np.float64)
    rows = (-1, *[1] * (values.ndim - 1)) if len(scale) > 1 else ()
    mantissas = np.round(values / scale.reshape(rows)) + int(tensor.quantization.zeroPoint[0])
    limit = 2.0 ** (bits - 1)
    stored = mantissas.clip(-limit, limit - 1).astype(f"<i{bits // 8}")
    buffer = type(tree.buffers[0])()
    buffer.data = np.frombuffer(stored.tobytes(), np.uint8)
    tensor.buffer = len(tree.buffers)
    tree.buffers.append(buffer)


def _drop_unused(tree: Any) -> None:
    """Leave out tensors that no operation takes or gives, and buffers that no tensor holds."""
    graph = tree.subgraphs[0]
    ends = [*graph.inputs, *graph.outputs]
    touched = (number for op in graph.operators for number in (*op.inputs, *op.outputs))
    used = sorted({int(number) for number in (*touched, *ends) if number >= 0})
    place = {number: position for position, number in enumerate(used)}
    graph.tensors = [graph.tensors[number] for number in used]
    for op in graph.operators:
        op.inputs = [place[int(n)] if n >= 0 else -1 for n in op.inputs]
        op.outputs = [place[int(n)] for n in op.outputs]
    graph.inputs = [place[int(n)] for n in graph.inputs]
    graph.outputs = [place[int(n)] for n in graph.outputs]
    for end in (*tree.signatureDefs[0].inputs, *tree.signatureDefs[0].outputs):
        end.tensorIndex = place[end.tensorIndex]
    kept = [tree.buffers[0]]
    for tensor in graph.tensors:
        data = tree.buffers[tensor.buffer]
        tensor.buffer = 0
        if data.data is not None and len(data.data):
            tensor.buffer = len(kept)
            kept.append(data)
    for entry in tree.metadata or []:
        kept.append(tree.buffers[entry.buffer])
        entry.buffer = len(kept) - 1
    tree.buffers = kept
