"""Mobilenet student as plain arrays with batch normalizations folded, and as a TensorFlow graph of them.

The graph is made here and not by converting the Keras model, whose variables and one-dimensional layers
TFLite turns into nine hundred operations instead of ninety. Its tensors are (N, 1, steps, channels) up to the
mean over time, so that none is reshaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.tflite.cell import read_entry

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]

#: Outputs of a graph: logits, or, where the head mixes two classifiers, probabilities.
LOGITS, PROBABILITIES = "logits", "probabilities"


@dataclass(frozen=True)
class Network:
    """A network of `mcukd.models.mobilenet`, whose scales and shifts are in its kernels and biases.

    window, channels: T, C. mean, std: (C,) in counts. arrays: by name, "stem/kernel" (k, C, 16), "stem/bias"
    and so on; "b1/flags" holds stride, whether there is a shortcut, and whether activations are hard-swish.
    """

    window: int
    mean: FloatArray
    std: FloatArray
    arrays: dict[str, NDArray[Any]]

    @property
    def channels(self) -> int:
        """C, the number of sensor channels."""
        return len(self.mean)

    @property
    def bottlenecks(self) -> list[str]:
        """The bottlenecks' names, first to last: "b1", "b2", …."""
        return [f"b{n + 1}" for n in range(sum(name.endswith("/flags") for name in self.arrays))]

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.arrays["values" if "values" in self.arrays else "head/kernel"].shape[1])

    @property
    def output(self) -> str:
        """The output of the graph: `PROBABILITIES` where memory and intuition are mixed, else `LOGITS`."""
        return PROBABILITIES if "shares" in self.arrays else LOGITS

    def stored(self) -> dict[str, NDArray[Any]]:
        """Return everything by name, for `np.savez`."""
        return {**self.arrays, "window": np.array(self.window), "mean": self.mean, "std": self.std}

    @classmethod
    def from_stored(cls, arrays: Mapping[str, NDArray[Any]]) -> Network:
        """Take what `stored` gave, out of an opened `.npz` that may hold more."""
        names = ("stem/", "b", "last/", "head/", "keys", "values", "shares")
        parts = {name: arrays[name] for name in arrays if name.startswith(names)}
        return cls(int(arrays["window"]), arrays["mean"], arrays["std"], parts)


@dataclass(frozen=True)
class WindowFacts:
    """What is needed to run a file: standardisation in counts, samples per window, classes, output."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    window: int
    classes: tuple[str, ...]
    output: str

    def to_json(self) -> str:
        """Return the facts as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, content: bytes, name: str) -> WindowFacts:
        """Return the facts stored in a file's bytes; `name` is used in the error.

        Raises UserError where the bytes are no TFLite file of ours, or a one-step cell.
        """
        facts = json.loads(read_entry(content, name))
        if "window" not in facts:
            raise UserError(f"{name}: a one-step cell, expected a file for whole windows.")
        return cls(
            tuple(facts["mean"]),
            tuple(facts["std"]),
            facts["window"],
            tuple(facts["classes"]),
            facts["output"],
        )


def network_of(model: keras.Model) -> Network:
    """Fold a trained mobilenet of either head into arrays. Raises UserError for a model of another kind."""
    layers = {layer.name: layer for layer in model.layers}
    if missing := {"standardisation", "stem", "b1_depthwise", "last", "logits"} - layers.keys():
        raise UserError(
            f"{model.name}: not a mobilenet, the layer '{sorted(missing)[0]}' is missing; only a mobilenet "
            f"is exported for whole windows."
        )
    arrays: dict[str, NDArray[Any]] = {}

    def fold(name: str, layer: str) -> None:
        following = layers[f"{layer}_bn"]
        scale, shift, mean, variance = (np.asarray(w, np.float64) for w in following.get_weights())
        scale = scale / np.sqrt(variance + following.epsilon)
        kernel = np.asarray(layers[layer].kernel, np.float64)
        # A depthwise kernel is (k, channels, 1), the others (k, inputs, outputs).
        kernel = kernel * (scale[:, None] if name.endswith("depthwise") else scale)
        arrays[f"{name}/kernel"] = kernel.astype(np.float32)
        arrays[f"{name}/bias"] = (shift - mean * scale).astype(np.float32)

    def take(name: str, layer: str) -> None:
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = layers[layer].get_weights()

    fold("stem", "stem")
    for name in [name[: -len("_depthwise")] for name in layers if name.endswith("_depthwise")]:
        for part in ("expand", "depthwise", "project"):
            fold(f"{name}/{part}", f"{name}_{part}")
        if f"{name}_excite" in layers:
            take(f"{name}/narrow", f"{name}_narrow")
            take(f"{name}/excite", f"{name}_excite")
        stride = int(np.max(layers[f"{name}_depthwise"].strides))
        before, after = arrays[f"{name}/expand/kernel"].shape[1], arrays[f"{name}/project/kernel"].shape[2]
        shortcut, swish = stride == 1 and before == after, f"{name}_expand_swish" in layers
        arrays[f"{name}/flags"] = np.array([stride, shortcut, swish])
    fold("last", "last")
    if "memory" in layers:
        memory = layers["memory"]
        arrays["keys"] = np.asarray(memory.scaled_keys(), np.float32)
        arrays["values"] = np.asarray(memory.values, np.float32)
        if "intuition" in layers:
            take("head", "intuition")
            mixing = np.asarray(layers["logits"].mixing, np.float64)
            arrays["shares"] = (np.exp(mixing) / np.exp(mixing).sum()).astype(np.float32)
    else:
        take("head", "logits")
    scaling = layers["standardisation"]
    return Network(
        int(model.input_shape[1]),
        np.asarray(scaling.mean, np.float32).reshape(-1),
        np.sqrt(np.asarray(scaling.variance, np.float32).reshape(-1)),
        arrays,
    )


def build_graph(network: Network) -> Any:
    """Return a `tf.Module` whose `run` takes `x` (1, 1, T, C), standardised, to `network.output` (1, K)."""
    from mcukd.tensorflow_setup import tensorflow as tf

    arrays = network.arrays

    def convolution(x: Any, name: str) -> Any:
        kernel = arrays[f"{name}/kernel"]
        kernel = kernel.reshape((1, *kernel.shape) if kernel.ndim == 3 else (1, 1, *kernel.shape))
        return tf.nn.conv2d(x, kernel, 1, "SAME") + arrays[f"{name}/bias"]

    def depthwise(x: Any, name: str, stride: int) -> Any:
        kernel = arrays[f"{name}/kernel"][None]
        return tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), "SAME") + arrays[f"{name}/bias"]

    def gate(x: Any) -> Any:
        return tf.nn.relu6(x + np.float32(3)) * np.float32(1 / 6)

    def hard_swish(x: Any) -> Any:
        # In this order the converter makes one HARD_SWISH of it.
        return x * tf.nn.relu6(x + np.float32(3)) * np.float32(1 / 6)

    def bottleneck(x: Any, name: str) -> Any:
        stride, shortcut, swish = (int(flag) for flag in arrays[f"{name}/flags"])
        activation = hard_swish if swish else tf.nn.relu
        y = activation(convolution(x, f"{name}/expand"))
        y = activation(depthwise(y, f"{name}/depthwise", stride))
        if f"{name}/excite/kernel" in arrays:
            # Means keep their axes, so that the two layers are 1×1 convolutions and nothing is reshaped.
            weights = tf.nn.relu(convolution(tf.reduce_mean(y, (1, 2), keepdims=True), f"{name}/narrow"))
            y = y * gate(convolution(weights, f"{name}/excite"))
        y = convolution(y, f"{name}/project")
        return x + y if shortcut else y

    def dense(x: Any, name: str) -> Any:
        return tf.matmul(x, arrays[f"{name}/kernel"]) + arrays[f"{name}/bias"]

    def run(x: Any) -> dict[str, Any]:
        y = hard_swish(convolution(x, "stem"))
        for name in network.bottlenecks:
            y = bottleneck(y, name)
        embedding = tf.reduce_mean(hard_swish(convolution(y, "last")), (1, 2))
        if "values" not in arrays:
            return {LOGITS: dense(embedding, "head")}
        scores = tf.matmul(tf.nn.softmax(tf.matmul(embedding, arrays["keys"])), arrays["values"])
        if "shares" not in arrays:
            return {LOGITS: scores}
        intuition = tf.nn.softmax(dense(embedding, "head"))
        return {PROBABILITIES: tf.nn.softmax(scores) * arrays["shares"][0] + intuition * arrays["shares"][1]}

    graph = tf.Module()
    signature = tf.TensorSpec((1, 1, network.window, network.channels), tf.float32, name="x")
    graph.run = tf.function(run, input_signature=[signature], autograph=False)
    return graph
