"""Network of the toy family: standardisation → means over the window → Dense(K), and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.models.families import StudentNetwork


@dataclass(frozen=True)
class MeansWeights:
    """mean, std: (C,) in counts. means_kernel: (C, K). means_bias: (K,)."""

    family: ClassVar[str] = "window-means"

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    means_kernel: NDArray[np.float32]
    means_bias: NDArray[np.float32]

    @property
    def channels(self) -> int:
        return len(self.mean)

    @property
    def classes(self) -> int:
        return len(self.means_bias)

    @property
    def parameters(self) -> int:
        return self.means_kernel.size + self.means_bias.size

    def macs_per_window(self, steps: int) -> int:
        return self.means_kernel.size

    def arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        return {prefix + field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], prefix: str = "") -> MeansWeights:
        return cls(*(np.asarray(arrays[prefix + field.name], np.float32) for field in fields(cls)))

    @classmethod
    def of(cls, model: Any) -> MeansWeights:
        layer = model.get_layer("standardisation")
        mean, variance = (np.asarray(a, np.float32).reshape(-1) for a in (layer.mean, layer.variance))
        return cls(mean, np.sqrt(variance), *model.get_layer("logits").get_weights())

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        means = (counts.mean(axis=1, dtype=np.float64) - self.mean) / self.std
        return np.asarray(means @ self.means_kernel + self.means_bias)


def build(window: int, channels: int, classes: int, mean: Any, variance: Any) -> Any:
    """Return the Keras model from counts (N, T, C) to logits (N, K)."""
    from mcukd.models.resnet import standardisation
    from mcukd.tensorflow_setup import keras

    inputs = keras.Input((window or None, channels), name="counts")
    x = keras.layers.GlobalAveragePooling1D(name="window_means")(standardisation(mean, variance)(inputs))
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="student")


NETWORK = StudentNetwork(
    layers=("window_means", "standardisation", "logits"),
    array="means_kernel",
    weights_of=MeansWeights.of,
    from_arrays=MeansWeights.from_arrays,
)
