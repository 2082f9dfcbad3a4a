"""Keras layer with the learnable filters of the filter-MLP; `filter_mlp` imports it only to build a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from mcukd.models.filter_weights import LEAST_POLE, TAPS
from mcukd.tensorflow_setup import keras

#: Samples in a block of the high-pass; a window of 256 has as many blocks.
BLOCK = 16


@keras.saving.register_keras_serializable(package="mcukd")
class FilterFeatures(keras.layers.Layer):
    """Means, mean magnitudes of a high-pass, mean magnitudes of FIR(tanh(FIR)): (N, T, C) to (N, 3C).

    Written with shifts and products instead of a recurrence and convolutions, because XLA compiles those to
    a step that trains many times faster.
    """

    def build(self, shape: Any) -> None:
        """Create the pole's logit (C,), which keeps the pole between 0 and 1, taps (8, C) and biases (C,)."""
        channels = int(shape[-1])
        taps = keras.initializers.RandomNormal(stddev=TAPS**-0.5)
        # σ(2) = .88: the high-pass begins by letting through what changes within some ten samples.
        self.pole_logit = self.add_weight(
            shape=(channels,), initializer=keras.initializers.Constant(2.0), name="pole_logit"
        )
        self.fir1 = self.add_weight(shape=(TAPS, channels), initializer=taps, name="fir1")
        self.fir1_bias = self.add_weight(shape=(channels,), initializer="zeros", name="fir1_bias")
        self.fir2 = self.add_weight(shape=(TAPS, channels), initializer=taps, name="fir2")
        self.fir2_bias = self.add_weight(shape=(channels,), initializer="zeros", name="fir2_bias")

    def call(self, x: Any) -> Any:
        """Return the features of standardised windows x (N, T, C)."""
        ops = keras.ops
        filtered = _fir(ops.tanh(_fir(x, self.fir1) + self.fir1_bias), self.fir2) + self.fir2_bias
        highpassed = high_pass(x, pole_of(self.pole_logit))
        parts = [
            ops.mean(x, axis=1),
            ops.mean(ops.abs(highpassed), axis=1),
            ops.mean(ops.abs(filtered), axis=1),
        ]
        return ops.concatenate(parts, axis=-1)

    def compute_output_shape(self, shape: Any) -> tuple[Any, int]:
        """Return (N, 3C)."""
        return (shape[0], 3 * shape[-1])


def pole_of(logit: Any) -> Any:
    """Return the pole, between .001 and .999, of its logit: at the ends training could not leave them."""
    return LEAST_POLE + (1 - 2 * LEAST_POLE) * keras.ops.sigmoid(logit)


def high_pass(x: Any, pole: Any) -> Any:
    """Return y_t = pole · y_(t−1) + x_t − x_(t−1) for t = 1 … T − 1, from y_0 = 0: (N, T − 1, C).

    The recurrence is solved in blocks of 16 samples: within a block, and then from block to block, it is a
    product with powers of the pole, y_t = Σ pole^(t−s) · d_s, which is exact and has no loop.
    """
    ops = keras.ops
    d = x[:, 1:] - x[:, :-1]
    steps, channels = d.shape[1], d.shape[2]
    blocks = -(-steps // BLOCK)
    d = ops.pad(d, ((0, 0), (0, blocks * BLOCK - steps), (0, 0)))
    d = ops.reshape(d, (-1, blocks, BLOCK, channels))
    within = ops.einsum("nkbc,cab->nkac", d, _powers(pole, BLOCK))
    before = ops.einsum("njc,ckj->nkc", within[:, :, -1], _powers(pole, blocks, BLOCK, delay=1))
    fading = ops.exp(ops.log(pole) * ops.arange(1, BLOCK + 1, dtype="float32")[:, None])
    y = within + before[:, :, None] * fading
    return ops.reshape(y, (-1, blocks * BLOCK, channels))[:, :steps]


def _powers(pole: Any, size: int, step: int = 1, delay: int = 0) -> Any:
    """Return pole^(step · (t − s − delay)) where s + delay ≤ t, else 0: (C, size, size).

    Through the logarithm: the derivative of a power at an underflowed base would be 0 · ∞.
    """
    exponents = np.subtract.outer(np.arange(size), np.arange(size)) - delay
    powers = keras.ops.exp(
        keras.ops.log(pole)[:, None, None] * (step * np.maximum(exponents, 0)).astype(np.float32)
    )
    return powers * (exponents >= 0).astype(np.float32)


def _fir(x: Any, taps: Any) -> Any:
    """Filter (N, T, C) along time by taps (8, C), where all of them fall on samples: (N, T − 7, C)."""
    steps = x.shape[1] - TAPS + 1
    shifted = keras.ops.stack([x[:, k : k + steps] for k in range(TAPS)], axis=1)
    return keras.ops.einsum("nktc,kc->ntc", shifted, taps)
