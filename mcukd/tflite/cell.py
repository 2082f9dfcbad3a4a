"""Cell of the GRU-MLP: one step as a TensorFlow graph, and the facts in its TFLite file.

The exported graph is one GRU step with the head, never the unrolled window: unrolled int8 files are some
thirty times larger, and the converter crashes on the loop form. The caller carries the state.

Inputs: `x` (1, C), a sample standardised by the file's mean and standard deviation, and `h` (1, H), the
state, zeros at the start of a window; where two tensors carry it also `h_low` (1, H), what rounding left of
it. Outputs: `h_next` and, of two, `h_low_next` (1, H), given back as they are, and `logits` (1, K).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mcukd.errors import UserError
from mcukd.models.weights import GruMlpWeights
from mcukd.tensorflow_setup import SCHEMA, part

#: Name of our entry in the model's metadata table; it holds JSON and needs no extra library to read.
FACTS_ENTRY = "MCUKD_FACTS"
#: A GRU state is a mean of its past and a tanh, so it never leaves this range.
STATE_RANGE = (-1.0, 1.0)
#: States by their name as input, with that as output. Files of 16 bits, and int8 ones of earlier versions,
#: have the first alone.
STATES = {"h": "h_next", "h_low": "h_low_next"}
#: How many times as large the second gate of a state in two tensors is where both are small.
RATIO = 16
_STEP = 1 / 128
#: An odd number of fine steps make a step, so that rounding `fine` and `coarse` never gives a half between.
_FINE = _STEP / 7
_LOW = _FINE / 4
#: No multiple of a step: halves would all be rounded away from zero.
_GAP = 1 / 70
#: Steps of the 8-bit tensors of `_update_in_two`, symmetric about zero. Products with a constant have those
#: of what is multiplied, so that they change no mantissa.
STEPS = {
    **dict.fromkeys(("h", "h_next", "coarse", "beyond", "carry", "moved"), _STEP),
    **dict.fromkeys(("h_low", "h_low_next", "slow", "kept", "taken"), _LOW),
    "fine": _FINE,
    "gap": _GAP,
    "gap_slow": _GAP / RATIO,
    "gap_fast": _GAP * (1 - 1 / RATIO),
}
#: Ranges of those that are never negative.
_GATE = 255 / 256
GATES = {"both": (0.0, _GATE), "both_fast": (0.0, _GATE * (1 - 1 / RATIO))}


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


def build_cell(weights: GruMlpWeights, *, in_two: bool) -> Any:
    """Return a `tf.Module` whose `step` is the float one-step cell with head, batch 1.

    Each gate has matrices of its own, so that each gets a scale of its own when quantized. in_two: whether
    the state is carried as two tensors (`_update_in_two`), for 8 bits, or as one.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    kernels = tf.split(tf.constant(weights.kernel), 3, axis=1)
    recurrents = tf.split(tf.constant(weights.recurrent), 3, axis=1)
    input_bias = tf.split(tf.constant(weights.bias[0]), 3)
    state_bias = tf.split(tf.constant(weights.bias[1]), 3)
    if in_two:  # 1 − sigmoid(a) is sigmoid(−a), without a subtraction
        for parts in (kernels, recurrents, input_bias, state_bias):
            parts[0] = -parts[0]

    def step(x: Any, h: Any, *low: Any) -> dict[str, Any]:
        from_x = [tf.matmul(x, kernel) + bias for kernel, bias in zip(kernels, input_bias)]
        from_h = [tf.matmul(h, recurrent) + bias for recurrent, bias in zip(recurrents, state_bias)]
        gate = from_x[0] + from_h[0]
        r = tf.sigmoid(from_x[1] + from_h[1])
        candidate = tf.tanh(from_x[2] + r * from_h[2])
        if in_two:
            found = _update_in_two(gate, candidate, h, low[0])
        else:
            z = tf.sigmoid(gate)
            found = {"h_next": z * h + (1 - z) * candidate}
        read = found["h_next"]
        if weights.dense:
            read = tf.nn.relu(tf.matmul(read, weights.dense_kernel) + weights.dense_bias)
        return {**found, "logits": tf.matmul(read, weights.output_kernel) + weights.output_bias}

    states = ["h", "h_low"] if in_two else ["h"]
    cell = tf.Module()
    cell.step = tf.function(
        step,
        input_signature=[
            tf.TensorSpec((1, weights.channels), tf.float32, name="x"),
            *(tf.TensorSpec((1, weights.hidden), tf.float32, name=name) for name in states),
        ],
    )
    return cell


def chosen_ranges(*, in_two: bool) -> dict[str, tuple[float, float]]:
    """Return the ranges of tensors, by name, that do not go by what a cell shows on calibration windows.

    in_two: as `build_cell` takes it.
    """
    if not in_two:
        return dict.fromkeys(("h", "h_next"), STATE_RANGE)
    return {**{name: (-128 * step, 127 * step) for name, step in STEPS.items()}, **GATES}


def _update_in_two(gate: Any, candidate: Any, h: Any, low: Any) -> dict[str, Any]:
    """Return the next state h + u · (candidate − h), u = sigmoid(gate), for tensors of 8 bits.

    In float `low` stays zero. In integers two things are kept that 8 bits lose in a slow unit, whose u is a
    thousandth and whose state moves by less than a step of it:

    - u itself. With s = sigmoid(gate) and q = sigmoid(gate + ln R), u = q / R + (1 − 1/R) · q · s exactly,
      and q is R times as large as a small u, so that it has steps enough.
    - What rounding leaves. The slow part of the move, q / R, goes to `low`, which has finer steps; what makes
      a step of h is carried to h, and the rest stays in `low`. The fast part is computed twice: saturating,
      in fine steps, and in steps of h, of which only what the fine one does not reach is added.

    `STEPS` has the steps by the names given here.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    share = np.float32(1 / RATIO)
    s, q = tf.sigmoid(gate), tf.sigmoid(gate + np.float32(np.log(RATIO)))
    gap = tf.subtract(candidate, h, name="gap")
    slow = tf.multiply(q, tf.multiply(gap, share, name="gap_slow"), name="slow")
    kept = tf.add(low, slow, name="kept")
    both = tf.multiply(q, s, name="both")
    # The same product in two ways: of equal operations the converter would keep one.
    coarse = tf.multiply(both, tf.multiply(gap, 1 - share, name="gap_fast"), name="coarse")
    fine = tf.multiply(tf.multiply(both, 1 - share, name="both_fast"), gap, name="fine")
    beyond = tf.subtract(coarse, fine, name="beyond")
    carry = tf.add(kept, fine, name="carry")
    taken = tf.subtract(carry, fine, name="taken")
    moved = tf.add(carry, beyond, name="moved")
    return {
        "h_next": tf.add(h, moved, name="h_next"),
        "h_low_next": tf.subtract(kept, taken, name="h_low_next"),
    }


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
