"""A random mobilenet whose activations are as large as those of a trained one, and windows for it."""

from __future__ import annotations

import numpy as np

MEAN, VARIANCE = np.array([100.0, -50.0, -8000.0]), np.array([8e5, 2e6, 5e5])


def random_counts(windows: int, steps: int, seed: int = 1):
    """Windows (N, T, 3) int16 that differ in posture, strength and rhythm."""
    rng = np.random.default_rng(seed)
    posture = rng.normal(size=(windows, 1, 3)) * 0.7
    strength, rhythm = rng.uniform(0.1, 1.5, (windows, 1, 1)), rng.uniform(0.01, 0.3, (windows, 1, 1))
    motion = np.sin(2 * np.pi * rhythm * np.arange(steps)[:, None] + rng.uniform(0, 6, (windows, 1, 3)))
    x = posture + strength * (motion + 0.4 * rng.normal(size=(windows, steps, 3)))
    return (MEAN + np.sqrt(VARIANCE) * x).clip(-16384, 16383).astype(np.int16)


def random_mobilenet(window: int, classes: int = 5, *, seed: int = 0, **options):
    """A model whose weights are all random: biases, BN shifts and mixing start where they do nothing."""
    import keras

    from mcukd.models.mobilenet import build_mobilenet

    keras.utils.set_random_seed(seed)
    model = build_mobilenet(window, 3, classes, MEAN, VARIANCE, **options)
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if len(variable.shape) < 2:
            variable.assign(variable + 0.2 * rng.normal(size=variable.shape))
    # Statistics of real activations: with those of a new model, signals fade to nothing over the blocks.
    normalisations = [layer for layer in model.layers if hasattr(layer, "moving_mean")]
    for layer in normalisations:
        layer.momentum = 0.0
    model(random_counts(128, window, seed + 100).astype(np.float32), training=True)
    for layer in normalisations:
        layer.momentum = 0.9
    return model
