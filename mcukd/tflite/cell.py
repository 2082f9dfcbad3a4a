"""Cell of the GRU-MLP: one step as a TensorFlow graph, and the facts in its TFLite file.

The exported graph is one GRU step with the head, never the unrolled window: unrolled int8 files are some
thirty times larger, and the converter crashes on the loop form. The caller carries the state.

Inputs: `x` (1, C), a sample standardised by the file's mean and standard deviation, and `h` (1, H), the
state, zeros at the start of a window. Outputs: `h_next` (1, H) and `logits` (1, K).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mcukd.errors import UserError
from mcukd.models.weights import GruMlpWeights
from mcukd.tensorflow_setup import SCHEMA, part

#: Name of our entry in the model's metadata table; it holds JSON and needs no extra library to read.
FACTS_ENTRY = "MCUKD_FACTS"
#: A GRU state is a mean of its past and a tanh, so it never leaves this range.
STATE_RANGE = (-1.0, 1.0)


@dataclass(frozen=True)
class CellFacts:
    """Facts needed to run a cell: standardisation in counts, sizes and class names."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    hidden: int
    classes: tuple[str, ...]

    def to_json(self) -> str:
        """Return the facts as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, content: str) -> CellFacts:
        """Read what `to_json` wrote."""
        facts = json.loads(content)
        return cls(tuple(facts["mean"]), tuple(facts["std"]), facts["hidden"], tuple(facts["classes"]))


def build_cell(weights: GruMlpWeights) -> Any:
    """Return a `tf.Module` whose `step` is the float one-step cell with head, batch 1.

    Each gate has matrices of its own, so that each gets a scale of its own when quantized.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    kernels = tf.split(tf.constant(weights.kernel), 3, axis=1)
    recurrents = tf.split(tf.constant(weights.recurrent), 3, axis=1)
    input_bias = tf.split(tf.constant(weights.bias[0]), 3)
    state_bias = tf.split(tf.constant(weights.bias[1]), 3)

    def step(x: Any, h: Any) -> dict[str, Any]:
        from_x = [tf.matmul(x, kernel) + bias for kernel, bias in zip(kernels, input_bias)]
        from_h = [tf.matmul(h, recurrent) + bias for recurrent, bias in zip(recurrents, state_bias)]
        z = tf.sigmoid(from_x[0] + from_h[0])
        r = tf.sigmoid(from_x[1] + from_h[1])
        candidate = tf.tanh(from_x[2] + r * from_h[2])
        h_next = z * h + (1 - z) * candidate
        read = h_next
        if weights.dense:
            read = tf.nn.relu(tf.matmul(h_next, weights.dense_kernel) + weights.dense_bias)
        logits = tf.matmul(read, weights.output_kernel) + weights.output_bias
        return {"h_next": h_next, "logits": logits}

    cell = tf.Module()
    cell.step = tf.function(
        step,
        input_signature=[
            tf.TensorSpec((1, weights.channels), tf.float32, name="x"),
            tf.TensorSpec((1, weights.hidden), tf.float32, name="h"),
        ],
    )
    return cell


def read_facts(content: bytes, name: str) -> CellFacts:
    """Return the facts stored in a one-step file's bytes; `name` is used in the error.

    Raises UserError where the bytes are no TFLite file of ours, or one for whole windows.
    """
    facts = read_entry(content, name)
    if "hidden" not in json.loads(facts):
        raise UserError(f"{name}: takes whole windows, expected the one-step cell of a gru-mlp student.")
    return CellFacts.from_json(facts)


def read_entry(content: bytes, name: str) -> str:
    """Return the JSON of our entry in a TFLite file's metadata table; `name` is used in the error.

    Raises UserError where the bytes are no TFLite file of ours.
    """
    schema = part(SCHEMA)

    if content[4:8] != b"TFL3":
        raise UserError(f"{name}: not a TFLite file; run 'mcukd quantize' to make it anew.")
    try:
        model = schema.Model.GetRootAsModel(content, 0)
        for number in range(model.MetadataLength()):
            entry = model.Metadata(number)
            if entry.Name() == FACTS_ENTRY.encode():
                facts = bytes(model.Buffers(entry.Buffer()).DataAsNumpy()).decode()
                json.loads(facts)
                return facts
    except Exception as error:  # flatbuffers raises whatever the damaged offsets lead to
        raise UserError(f"{name}: damaged ({error}); run 'mcukd quantize' to make it anew.") from error
    raise UserError(f"{name}: a TFLite file, but not one that mcukd exported; run 'mcukd quantize'.")
