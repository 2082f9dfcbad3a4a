"""The GRU-MLP, the default student: a GRU and a small multilayer perceptron on raw sensor counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mcukd.models.families import StudentNetwork
from mcukd.models.resnet import standardisation
from mcukd.models.weights import GruMlpWeights, Head

if TYPE_CHECKING:
    import keras


def build_student(
    window: int,
    channels: int,
    classes: int,
    mean: ArrayLike,
    variance: ArrayLike,
    units: int = 16,
    dense: int = 16,
    *,
    sequences: bool = False,
) -> keras.Model:
    """Build GRU(H) → Dense(M, ReLU) → Dense(K), from counts (N, T, C) float32 to logits (N, K) float32.

    window, channels, classes: T, C, K; T is 0 for windows of any length. mean, variance: (C,) in counts and
    counts². units, dense: H, M.
    The GRU is Keras's with `reset_after=True`, the form that the integer reference and the C compute.

    sequences: build the variant for training against a teacher's features. It has a layer "states", the state
    after every sample (N, T, H), and the same weights in the same order and the same logits.
    """
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    inputs = keras.Input((window or None, channels), name="counts")
    x = standardisation(mean, variance)(inputs)
    x = layers.GRU(units, reset_after=True, return_sequences=sequences, name="gru")(x)
    if sequences:
        x = layers.Identity(name="states")(x)[:, -1]
    x = layers.Dense(dense, activation="relu", name="dense")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="student")


def carried_state(model: keras.Model, samples: Any, first: Any, begin: Any) -> Any:
    """Return the GRU's state (B, H) after samples (B, L, C), zero before each one's sample `first` (B,).

    begin: the lowest of `first`; earlier samples are not run. For graphs of TensorFlow, without gradients.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    cell = model.get_layer("gru").cell
    inputs = tf.transpose(model.get_layer("standardisation")(samples), (1, 0, 2))

    def step(t: Any, state: Any) -> tuple[Any, Any]:
        after = cell(inputs[t], [state])[0]
        return t + 1, tf.where((t >= first)[:, None], after, state)

    zero = tf.zeros((inputs.shape[1], cell.units))
    return tf.while_loop(lambda t, _: t < inputs.shape[0], step, (begin, zero))[1]


def logits_from_state(model: keras.Model, windows: Any, state: Any) -> Any:
    """Return the logits (B, K) of windows (B, T, C) that the GRU goes through from `state` (B, H)."""
    x = model.get_layer("standardisation")(windows)
    x = model.get_layer("gru")(x, initial_state=state, training=True)
    return model.get_layer("logits")(model.get_layer("dense")(x))


def student_weights(model: keras.Model) -> GruMlpWeights:
    """Take the weights out of a student made by `build_student`, or with another head by `with_head`."""
    kernel, recurrent, bias = model.get_layer("gru").get_weights()
    head = _head_of(model)
    layer = model.get_layer("standardisation")
    return GruMlpWeights(
        mean=np.asarray(layer.mean, np.float32).reshape(-1),
        std=np.sqrt(np.asarray(layer.variance, np.float32).reshape(-1)),
        kernel=kernel,
        recurrent=recurrent,
        bias=bias,
        dense_kernel=head.dense_kernel,
        dense_bias=head.dense_bias,
        output_kernel=head.output_kernel,
        output_bias=head.output_bias,
        prototypes=head.prototypes,
    )


def with_head(model: keras.Model, head: Head) -> keras.Model:
    """Return a student with the GRU of `model` and another head, of any kind, on its last state."""
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    x, loaded = model.get_layer("gru").output, []
    if len(x.shape) == 3:
        raise ValueError("a student built with sequences=True keeps its head; give one built without")
    if head.kind == "mlp":
        loaded.append(("dense", head.dense_kernel, head.dense_bias))
        x = layers.Dense(head.dense_kernel.shape[1], activation="relu", name="dense")(x)
    scores = "scores" if head.kind == "prototype" else "logits"
    loaded.append((scores, head.output_kernel, head.output_bias))
    x = layers.Dense(len(head.output_bias), name=scores)(x)
    if head.kind == "prototype":
        x = layers.Reshape((head.classes, head.prototypes), name="patterns")(x)
        # The largest of each class's scores.
        x = layers.GlobalMaxPooling1D(data_format="channels_first", name="logits")(x)
    made = keras.Model(model.inputs, x, name=model.name)
    for name, kernel, bias in loaded:
        made.get_layer(name).set_weights([kernel, bias])
    return made


def _head_of(model: keras.Model) -> Head:
    names = {layer.name for layer in model.layers}
    if "dense" in names:
        return Head(*model.get_layer("dense").get_weights(), *model.get_layer("logits").get_weights())
    kernel, bias = model.get_layer("scores" if "scores" in names else "logits").get_weights()
    return Head.direct(kernel, bias, prototypes=len(bias) // model.output_shape[-1])


def student_parameters(channels: int, classes: int, units: int, dense: int) -> int:
    """Number of trained parameters of the student of C channels, K classes, H units and M dense units."""
    return 3 * units * (channels + units + 2) + (units + 1) * dense + (dense + 1) * classes


def student_macs_per_window(window: int, channels: int, classes: int, units: int, dense: int) -> int:
    """Multiply-accumulates of one window of T samples, gate products not counted."""
    return 3 * units * (channels + units) * window + units * dense + dense * classes


NETWORK = StudentNetwork(
    layers=("gru", "standardisation", "logits"),
    array="recurrent",
    weights_of=student_weights,
    from_arrays=GruMlpWeights.from_arrays,
)
