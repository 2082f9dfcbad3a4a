"""Weights of a mobilenet student as plain arrays, as a fold's file keeps them, and the way back to Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.models.families import StudentNetwork
from mcukd.models.mobilenet import TEACHER, build_mobilenet, mobilenet_macs_per_window

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]

_AT_ONCE = 512
#: Statistics of a batch normalization, which are not trained.
_STATISTICS = ("/moving_mean", "/moving_variance")


@dataclass(frozen=True)
class MobilenetWeights:
    """A network of `mcukd.models.mobilenet` on raw sensor counts of C channels; all arrays float32.

    window: T. mean, variance: (C,) in counts and counts². layers: an array for each variable of the Keras
    model, by the names of layer and variable: "stem/kernel", "stem_bn/gamma", …. Bottlenecks, head and
    patterns follow from what is there.
    """

    family: ClassVar[str] = "mobilenet"

    window: int
    mean: FloatArray
    variance: FloatArray
    layers: dict[str, FloatArray]

    @classmethod
    def of(cls, model: keras.Model) -> MobilenetWeights:
        """Take the weights out of a model made by `build_mobilenet`, with or without the linear path."""
        scaling = model.get_layer("standardisation")
        return cls(
            int(model.input_shape[1]),
            np.asarray(scaling.mean, np.float32).reshape(-1),
            np.asarray(scaling.variance, np.float32).reshape(-1),
            {
                f"{layer.name}/{variable.name}": np.asarray(variable, np.float32)
                for layer in model.layers
                for variable in layer.weights
            },
        )

    @property
    def channels(self) -> int:
        """C, the number of sensor channels."""
        return len(self.mean)

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.layers["memory/values" if self.head == "memory" else "logits/kernel"].shape[1])

    @property
    def head(self) -> str:
        """Which of `mcukd.models.mobilenet.HEADS` it has."""
        return "memory" if "memory/keys" in self.layers else "linear"

    @property
    def intuition(self) -> bool:
        """Whether a linear path stands beside the memory."""
        return "intuition/kernel" in self.layers

    @property
    def slim(self) -> bool:
        """Whether it has the student's bottlenecks, and not the teacher's."""
        return f"b{len(TEACHER)}_expand/kernel" not in self.layers

    @property
    def parameters(self) -> int:
        """Number of trained parameters (standardisation and the statistics of batches not counted)."""
        return sum(int(array.size) for name, array in self.layers.items() if not name.endswith(_STATISTICS))

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples, as `mobilenet` counts them."""
        head, patterns = self.head, self._patterns
        size = (steps, self.channels, self.classes)
        macs = mobilenet_macs_per_window(*size, slim=self.slim, head=head, patterns=patterns)
        dropped = head == "memory" and not self.intuition
        return macs - (int(self.layers["memory/keys"].shape[1]) * self.classes if dropped else 0)

    def arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for `np.savez`."""
        own = {"mean": self.mean, "variance": self.variance, "window": np.array(self.window)}
        return {prefix + name: array for name, array in {**own, **self.layers}.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> MobilenetWeights:
        """Take the arrays that `arrays()` gave back out of an opened `.npz`."""
        names = [name for name in arrays if name.startswith(prefix) and "/" in name[len(prefix) :]]
        return cls(
            int(arrays[prefix + "window"]),
            np.asarray(arrays[prefix + "mean"], np.float32),
            np.asarray(arrays[prefix + "variance"], np.float32),
            {name[len(prefix) :]: np.asarray(arrays[name], np.float32) for name in names},
        )

    def model(self) -> keras.Model:
        """Return the Keras model from counts (N, T, C) to logits (N, K).

        Raises UserError where the arrays are not those of the network that this version builds.
        """
        model = self._built(self.mean, self.variance)
        self._fill(model)
        return model

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Run the float model on counts (N, T, C) and return logits (N, K). Raises UserError as `model`."""
        model, run = _runner(self.window, self.channels, self.classes, self._form)
        self._fill(model)
        x = (counts.astype(np.float32) - self.mean) / np.sqrt(self.variance)
        parts = [run(x[i : i + _AT_ONCE]) for i in range(0, len(x), _AT_ONCE)]
        return np.concatenate([np.asarray(part, np.float64) for part in parts or [run(x)]])

    @property
    def _patterns(self) -> int:
        return len(self.layers["memory/keys"]) if self.head == "memory" else 1

    @property
    def _form(self) -> tuple[bool, str, int, bool]:
        return self.slim, self.head, self._patterns, self.intuition

    def _built(self, mean: FloatArray, variance: FloatArray) -> keras.Model:
        return _build(self.window, self.channels, self.classes, self._form, mean, variance)

    def _fill(self, model: keras.Model) -> None:
        wanted = {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}
        for name, variable in wanted.items():
            found = self.layers[name].shape if name in self.layers else None
            if found != tuple(variable.shape):
                raise UserError(
                    f"a stored mobilenet: '{name}' has shape {found}, expected {tuple(variable.shape)}, so "
                    f"that another version of mcukd distilled it; run 'mcukd distill' again."
                )
        for name, variable in wanted.items():
            variable.assign(self.layers[name])


def _build(
    window: int,
    channels: int,
    classes: int,
    form: tuple[bool, str, int, bool],
    mean: FloatArray,
    variance: FloatArray,
) -> keras.Model:
    slim, head, patterns, intuition = form
    model = build_mobilenet(
        window, channels, classes, mean, variance, slim=slim, head=head, patterns=patterns
    )
    if head == "memory" and not intuition:
        from mcukd.models.hopfield import without_intuition

        return without_intuition(model)
    return model


@lru_cache(maxsize=2)
def _runner(
    window: int, channels: int, classes: int, form: tuple[bool, str, int, bool]
) -> tuple[keras.Model, Callable[[FloatArray], Any]]:
    """Return a model on standardised windows and what runs it: traced once for the students of all folds."""
    from mcukd.tensorflow_setup import tensorflow as tf

    model = _build(
        window, channels, classes, form, np.zeros(channels, np.float32), np.ones(channels, np.float32)
    )
    signature = [tf.TensorSpec((None, window, channels), tf.float32)]
    return model, tf.function(lambda x: model(x, training=False), input_signature=signature)


NETWORK = StudentNetwork(
    layers=("b1_depthwise", "standardisation", "stem", "embedding", "logits"),
    array="stem/kernel",
    weights_of=MobilenetWeights.of,
    from_arrays=MobilenetWeights.from_arrays,
    layer_modules=("mcukd.models.hopfield",),
    not_students={f"b{len(TEACHER)}_depthwise": "the teacher among mobilenets"},
)
