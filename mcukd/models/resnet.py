"""Residual network of Wang, Yan and Oates (IJCNN 2017) on sensor counts: the usual teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import keras

FULL_WIDTH = 64
KERNEL_SIZES = (8, 5, 3)
#: Filters of the three blocks, in multiples of the width.
BLOCKS = (1, 2, 2)


def build_resnet(
    window: int, channels: int, classes: int, mean: ArrayLike, variance: ArrayLike, width: int = FULL_WIDTH
) -> keras.Model:
    """Build the network that maps counts (N, T, C) float32 to logits (N, K) float32.

    Three blocks of `width`, 2·width and 2·width filters, each conv 8 → BN → ReLU → conv 5 → BN → ReLU →
    conv 3 → BN, plus a shortcut, then ReLU; global average pooling and a dense layer. As in the group's
    count of 520.26 K parameters (docs/reference/distillation.md), every shortcut is a 1×1 convolution, no
    convolution has a bias and no shortcut a batch normalization.

    Layers "anchor1" to "anchor3" give the blocks' outputs (N, T, filters) and "embedding" the pooled features
    (N, E), for distillation to tap.

    window, channels, classes: T, C, K; T is 0 for windows of any length. mean, variance: (C,) in counts and
    counts².
    """
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    inputs = keras.Input((window or None, channels), name="counts")
    x = standardisation(mean, variance)(inputs)
    for number, multiple in enumerate(BLOCKS, 1):
        filters = multiple * width
        y = x
        for size in KERNEL_SIZES:
            if y is not x:
                y = layers.ReLU()(y)
            y = layers.Conv1D(filters, size, padding="same", use_bias=False)(y)
            # Keras's default momentum of .99 remembers longer than the short schedules here last.
            y = layers.BatchNormalization(momentum=0.9)(y)
        shortcut = layers.Conv1D(filters, 1, use_bias=False)(x)
        x = layers.ReLU(name=f"anchor{number}")(layers.Add()([y, shortcut]))
    x = layers.GlobalAveragePooling1D(name="embedding")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="teacher")


def standardisation(mean: ArrayLike, variance: ArrayLike) -> keras.Layer:
    """Return the layer that takes counts to (counts − mean) / √variance, axis by axis, and is not trained."""
    import numpy as np

    from mcukd.tensorflow_setup import keras

    return keras.layers.Normalization(
        mean=np.asarray(mean, np.float32), variance=np.asarray(variance, np.float32), name="standardisation"
    )


def resnet_parameters(channels: int, classes: int, width: int = FULL_WIDTH) -> int:
    """Number of trained parameters: convolutions, BN scales and shifts, dense layer."""
    filters = sum(len(KERNEL_SIZES) * multiple * width for multiple in BLOCKS)
    return _convolutions(channels, width) + 2 * filters + (BLOCKS[-1] * width + 1) * classes


def resnet_macs_per_window(window: int, channels: int, classes: int, width: int = FULL_WIDTH) -> int:
    """Multiply-accumulates of one window; BN is not counted, as it folds into the convolutions."""
    return _convolutions(channels, width) * window + BLOCKS[-1] * width * classes


def _convolutions(channels: int, width: int) -> int:
    total, before = 0, channels
    for multiple in BLOCKS:
        filters = multiple * width
        inner = [before, *[filters] * (len(KERNEL_SIZES) - 1)]
        total += sum(size * depth * filters for size, depth in zip(KERNEL_SIZES, inner)) + before * filters
        before = filters
    return total
