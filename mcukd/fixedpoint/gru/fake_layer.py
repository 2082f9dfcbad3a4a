"""Keras layer of the GRU-MLP with fake quantizers; `qat` imports it only to build a model.

A fake quantizer returns the value that a device would use, and its gradient is that of the identity
(straight-through estimator, Bengio, Léonard and Courville 2013).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mcukd.errors import UserError
from mcukd.fixedpoint import gates
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.gru.packing import ROWS, Packing, pairs
from mcukd.models.weights import GruMlpWeights
from mcukd.tensorflow_setup import keras
from mcukd.tensorflow_setup import tensorflow as tf

#: Trained arrays of the student, in Keras's own layout.
TRAINED = (
    "kernel", "recurrent", "bias", "dense_kernel", "dense_bias", "output_kernel", "output_bias",
)  # fmt: skip


@keras.saving.register_keras_serializable(package="mcukd")
class FakeQuantizedStudent(keras.layers.Layer):
    """GRU → Dense(ReLU) → Dense on standardised windows (N, T, C), to logits (N, K), with a device's weights.

    start: the initial weights. lengths: fractional lengths of weight groups (`quantize.weight_lengths`);
    groups that are not named keep their float values, and so do activations of 16 bits. dense_length: that
    of the dense layer's output. Raises UserError for a head without a dense layer.
    """

    def __init__(
        self,
        start: GruMlpWeights,
        config: QuantizeConfig,
        lengths: dict[str, Any],
        dense_length: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if start.head.kind != "mlp":
            raise UserError(
                f"quantization-aware training (--qat) needs an mlp head, and this student has a "
                f"{start.head.kind} head; quantize it without."
            )
        self._config, self._named = config, frozenset(lengths)
        for name in TRAINED:
            setattr(self, name, self._variable(name, getattr(start, name), trainable=True))
        hidden = start.hidden
        fill: dict[str, Any] = {
            **{f"kernel_{g}": np.zeros(hidden) for g in "zrh"},
            **dict.fromkeys(("recurrent_z", "recurrent_r", "recurrent_h", "dense", "output"), 0),
        }
        # Formats and the standardisation are variables, so that one compiled step serves every fold.
        scales = {
            name: np.ldexp(1.0, np.asarray(length, int)) for name, length in {**fill, **lengths}.items()
        }
        self.std = self._variable("std", start.std)
        self.kernel_scale = self._variable(
            "kernel_scale", np.concatenate([scales[f"kernel_{g}"] for g in "zrh"])
        )
        self.recurrent_scale = self._variable(
            "recurrent_scale", np.array([scales[f"recurrent_{g}"] for g in "zrh"])
        )
        self.dense_scale = self._variable("dense_scale", scales["dense"])
        self.output_scale = self._variable("output_scale", scales["output"])
        self.dense_out_scale = self._variable("dense_out_scale", np.ldexp(1.0, dense_length))

    def _variable(self, name: str, value: Any, trainable: bool = False) -> Any:
        array = np.asarray(value, np.float32)
        return self.add_weight(
            shape=array.shape,
            initializer=lambda shape, dtype=None: tf.constant(array),
            trainable=trainable,
            name=name,
        )

    def device_weights(self) -> dict[str, Any]:
        """Return the matrices that the device would use, in Keras's layout, by name of `TRAINED`."""
        widths, named = self._config.widths, self._named
        kernel, recurrent = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.recurrent)
        std = tf.convert_to_tensor(self.std)[:, None]
        if "kernel_z" in named:
            kernel = fake(kernel / std, self.kernel_scale, widths.kernel) * std
        if "recurrent_z" in named:
            recurrent = fake_recurrent(recurrent, self.recurrent_scale, Packing(widths.recurrent))
        dense, output = tf.convert_to_tensor(self.dense_kernel), tf.convert_to_tensor(self.output_kernel)
        if "dense" in named:
            dense = fake(dense, self.dense_scale, widths.head)
            output = fake(output, self.output_scale, widths.head)
        return {"kernel": kernel, "recurrent": recurrent, "dense_kernel": dense, "output_kernel": output}

    def call(self, x: Any) -> Any:
        """Return the logits of standardised windows x (N, T, C)."""
        used = self.device_weights()
        bias = tf.convert_to_tensor(self.bias)
        inputs = tf.transpose(tf.einsum("ntc,cu->ntu", x, used["kernel"]) + bias[0], (1, 0, 2))
        steps = x.shape[1]
        state = tf.zeros((tf.shape(x)[0], used["recurrent"].shape[0]))

        def step(t: Any, h: Any) -> tuple[Any, Any]:
            xz, xr, xh = tf.split(inputs[t], 3, axis=1)
            hz, hr, hh = tf.split(tf.matmul(h, used["recurrent"]) + bias[1], 3, axis=1)
            z = tf.sigmoid(self._pre(xz + hz, "z"))
            r = tf.sigmoid(self._pre(xr + hr, "r"))
            return t + 1, self._state(z * h + (1 - z) * tf.tanh(self._pre(xh + r * hh, "h")))

        _, state = tf.while_loop(
            lambda t, h: t < steps, step, (tf.constant(0), state), maximum_iterations=steps
        )
        dense = tf.nn.relu(tf.matmul(state, used["dense_kernel"]) + tf.convert_to_tensor(self.dense_bias))
        if self._config.activation_bits < 16:
            dense = fake(dense, self.dense_out_scale, self._config.activation_bits)
        return tf.matmul(dense, used["output_kernel"]) + tf.convert_to_tensor(self.output_bias)

    def compute_output_shape(self, shape: Any) -> tuple[Any, int]:
        """Return (N, K)."""
        return shape[0], int(self.output_bias.shape[0])

    def _pre(self, values: Any, gate: str) -> Any:
        kind = self._config.gates
        bits = gates.PRE_BITS[kind]
        return values if bits == 16 else fake(values, 2.0 ** gates.pre_length(gate, kind), bits)

    def _state(self, values: Any) -> Any:
        bits = self._config.activation_bits
        return values if bits == 16 else fake(values, 2.0 ** (bits - 1), bits)


def fake(values: Any, scale: Any, bits: int) -> Any:
    """Return the nearest `bits`-bit mantissas over `scale`, saturated; the gradient is that of `values`."""
    mantissas = tf.clip_by_value(tf.floor(values * scale + 0.5), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    return values + tf.stop_gradient(mantissas / scale - values)


def fake_recurrent(weights: Any, scale: Any, packing: Packing) -> Any:
    """Return recurrent weights (H, 3H) as the device reads them out of words that rows share (`packing`).

    scale: (3,), 2^length of each gate's own bits. Chosen as `rounding.round_recurrent` does, but each weight
    on its own: from the last slot to the first, the lower lane before the upper one, the nearest mantissa
    that the bits below allow. The gradient is that of `weights`.
    """
    hidden, count, slots = int(weights.shape[0]), pairs(int(weights.shape[0])), packing.slots
    words, tasks = packing.words(hidden), len(ROWS) * count
    step = float(1 << packing.slack)
    scaled = tf.reshape(tf.transpose(weights), (3, hidden, hidden)) * scale[:, None, None] * step
    # (gate, unit pair, unit of the pair, column pair, lane) → (unit pair, word, slot, lane)
    odd = 2 * count - hidden
    padded = tf.reshape(tf.pad(scaled, ((0, 0), (0, odd), (0, odd))), (3, count, 2, count, 2))
    by_task = tf.reshape(tf.transpose(padded, (1, 3, 0, 2, 4)), (count, tasks, 2))
    by_word = tf.reshape(
        tf.pad(by_task, ((0, 0), (0, words * slots - tasks), (0, 0))), (count, words, slots, 2)
    )
    used = _used(hidden, packing)
    mantissas: dict[tuple[int, int], Any] = {}
    lower: Any | None = None
    for lane in (0, 1):
        filled = tf.zeros((count, words), tf.int32)
        for slot in reversed(range(slots)):
            shift = slot * packing.slot_bits
            pattern = tf.bitwise.left_shift(filled, shift)
            if lower is not None:
                pattern = tf.bitwise.bitwise_or(pattern, tf.bitwise.right_shift(lower, 16 - shift))
            below = tf.bitwise.bitwise_and(pattern, (1 << packing.slack) - 1)
            wanted = (by_word[:, :, slot, lane] - tf.cast(below, tf.float32)) / step
            largest = 2.0 ** (packing.bits - 1)
            top = tf.clip_by_value(tf.floor(wanted + 0.5), -largest, largest - 1) * used[:, :, slot, lane]
            own = tf.bitwise.bitwise_and(tf.cast(top, tf.int32), (1 << packing.bits) - 1)
            filled = tf.bitwise.bitwise_or(filled, tf.bitwise.left_shift(own, 16 - packing.bits - shift))
            mantissas[slot, lane] = top * step + tf.cast(below, tf.float32)
        lower = filled
    chosen = tf.stack(
        [tf.stack([mantissas[slot, lane] for lane in (0, 1)], axis=-1) for slot in range(slots)], axis=2
    )
    flat = tf.reshape(chosen, (count, words * slots, 2))[:, :tasks]
    by_gate = tf.transpose(tf.reshape(flat, (count, count, 3, 2, 2)), (2, 0, 3, 1, 4))
    rows = tf.reshape(by_gate, (3, 2 * count, 2 * count))[:, :hidden, :hidden]
    values = rows / (scale[:, None, None] * step)
    values = tf.transpose(tf.reshape(values, (3 * hidden, hidden)))
    return weights + tf.stop_gradient(values - weights)


def _used(hidden: int, packing: Packing) -> Any:
    """Return (unit pairs, words, slots, lanes) of ones, zeros where no weight is."""
    count, words = pairs(hidden), packing.words(hidden)
    used = np.zeros((count, words * packing.slots, 2), np.float32)
    there = np.arange(2 * count) < hidden
    both = np.broadcast_to(
        there.reshape(count, 1, 1, 2, 1) & there.reshape(1, count, 1, 1, 2), (count, count, 3, 2, 2)
    )
    used[:, : len(ROWS) * count] = both.reshape(count, len(ROWS) * count, 2)
    return tf.constant(used.reshape(count, words, packing.slots, 2))
