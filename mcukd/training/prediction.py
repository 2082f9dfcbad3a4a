"""Logits of Keras models outside of training, computed part by part in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]

#: Windows that a model is given in one call outside of training, and bytes that its layers' outputs may take.
MOST_PER_CALL, CALL_BYTES = 512, 1 << 27


def logits_model(model: keras.Model) -> keras.Model:
    """Return the model with its logits as the only output; models in training may have others as well."""
    from mcukd.tensorflow_setup import keras

    if not isinstance(model.output, dict):
        return model
    return keras.Model(model.inputs, model.output["logits"], name=model.name)


def logits(model: keras.Model, windows: FloatArray) -> FloatArray:
    """Return the model's logits (N, K) for windows (N, T, C)."""
    size = windows_per_call(model, windows.shape[1])
    return in_parts(lambda part: {"logits": model(part, training=False)}, windows, size)["logits"]


def in_parts(
    compute: Callable[[FloatArray], Mapping[str, Any]], windows: FloatArray, size: int
) -> dict[str, FloatArray]:
    """Return the outputs (N, …) by name that `compute` gives for windows (N, T, C), `size` at a time.

    Each part is copied to its place at once: tensors kept from every part would lie behind the memory that
    the part had freed, which then could not be given back, and hundreds of MB would be held.
    """
    found: dict[str, FloatArray] = {}
    for start in range(0, len(windows), size):
        for name, part in compute(windows[start : start + size]).items():
            if start == 0:
                found[name] = np.empty((len(windows), *part.shape[1:]), np.float32)
            found[name][start : start + size] = part
    return found


def windows_per_call(model: keras.Model, steps: int) -> int:
    """Return how many windows of `steps` samples are given to a model in one call outside of a graph.

    Keras keeps the outputs of all layers until such a call returns; they may take CALL_BYTES.
    """
    from mcukd.tensorflow_setup import keras

    outputs = keras.tree.flatten([layer.output for layer in model.layers])
    shapes = [[steps if size is None else size for size in one.shape[1:]] for one in outputs]
    held = 4 * sum(math.prod(shape) for shape in shapes)
    return max(1, min(MOST_PER_CALL, CALL_BYTES // held))
