"""The memory head of SMLDist as Keras layers: a Hopfield memory and a linear "intuition", mixed.

Modern Hopfield networks (Ramsauer et al., ICLR 2021) recall by softmax attention over stored patterns. In
SMLDist (arXiv 2107.07331, as its published code has it) such a memory is combined with a linear layer;
the probabilities of both are mixed, and the student starts with the memory of its teacher.
"""

from __future__ import annotations

import math
from typing import Any

from mcukd.errors import UserError
from mcukd.tensorflow_setup import keras

#: The layers with weights of the head, by name; "logits" holds the weights of the mixture.
MEMORY, INTUITION, LOGITS = "memory", "intuition", "logits"


@keras.saving.register_keras_serializable(package="mcukd")
class HopfieldMemory(keras.layers.Layer):
    """Class scores recalled from P learned patterns: (N, E) to (N, K) = softmax(β · x · keysᵀ) · values."""

    def __init__(self, patterns: int, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patterns, self.classes = patterns, classes

    def build(self, shape: Any) -> None:
        """Create keys (P, E), values (P, K) and log β, so that β stays positive; it starts at 1/√E."""
        length = int(shape[-1])
        self.keys = self.add_weight(
            shape=(self.patterns, length),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="keys",
        )
        self.values = self.add_weight(
            shape=(self.patterns, self.classes), initializer="glorot_uniform", name="values"
        )
        start = -0.5 * math.log(length)
        self.log_beta = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(start), name="log_beta"
        )

    def scaled_keys(self) -> Any:
        """Return β · keysᵀ (E, P), one constant once training is over."""
        return keras.ops.transpose(self.keys) * keras.ops.exp(self.log_beta)

    def call(self, x: Any) -> Any:
        """Return the scores (N, K) of embeddings x (N, E)."""
        attention = keras.ops.softmax(keras.ops.matmul(x, self.scaled_keys()))
        return keras.ops.matmul(attention, self.values)

    def compute_output_shape(self, shape: Any) -> tuple[Any, int]:
        """Return (N, K)."""
        return (shape[0], self.classes)

    def get_config(self) -> dict[str, Any]:
        """Return what the constructor takes."""
        return {**super().get_config(), "patterns": self.patterns, "classes": self.classes}


@keras.saving.register_keras_serializable(package="mcukd")
class Mixture(keras.layers.Layer):
    """Log of w₀ · softmax(memory) + w₁ · softmax(intuition), w a softmax of two: twice (N, K) to (N, K).

    The sum is taken among logarithms, so it is never the log of zero and needs no clipping. The softmax
    of the result is the mixture, so apply softmax to it once only.
    """

    def build(self, shapes: Any) -> None:
        """Create the two weights before their softmax (2,), memory first, equal at the start."""
        self.mixing = self.add_weight(shape=(2,), initializer="zeros", name="mixing")

    def call(self, scores: Any) -> Any:
        """Return the log probabilities (N, K) of the scores of memory and intuition."""
        shares = keras.ops.log_softmax(self.mixing)
        memory, intuition = (keras.ops.log_softmax(part) for part in scores)
        return keras.ops.logaddexp(shares[0] + memory, shares[1] + intuition)

    def compute_output_shape(self, shapes: Any) -> Any:
        """Return (N, K)."""
        return shapes[0]


def memory_head(embedding: Any, patterns: int, classes: int) -> Any:
    """Return the logits (N, K) of the head on an embedding (N, E), a Keras tensor."""
    memory = HopfieldMemory(patterns, classes, name=MEMORY)(embedding)
    intuition = keras.layers.Dense(classes, name=INTUITION)(embedding)
    return Mixture(name=LOGITS)([memory, intuition])


def has_memory(model: keras.Model) -> bool:
    """Whether the model's head is or was one of `memory_head`."""
    return any(layer.name == MEMORY for layer in model.layers)


def without_intuition(model: keras.Model) -> keras.Model:
    """Return the model with the memory alone as its head: the linear path serves training and can go after.

    The layers are shared with `model`, not copied. Raises UserError where the head has no memory.
    """
    if not has_memory(model):
        raise UserError(f"{model.name}: has no memory head, so there is no linear path to drop.")
    if not any(layer.name == INTUITION for layer in model.layers):
        return model
    scores = model.get_layer(MEMORY).output
    # The softmax of the scores is what the memory had in the mixture.
    return keras.Model(model.input, keras.layers.Identity(name=LOGITS)(scores), name=model.name)


def inherit_head(student: keras.Model, teacher: keras.Model) -> None:
    """Give the student its teacher's patterns, values, inverse temperature, linear layer and mixing weights.

    Raises UserError, and leaves the student as it was, where either has no memory head or their sizes differ.
    """
    names = (MEMORY, INTUITION, LOGITS)
    for model in (student, teacher):
        if missing := set(names[:2]) - {layer.name for layer in model.layers}:
            raise UserError(
                f"{model.name}: has no layer '{sorted(missing)[0]}'; a head is inherited between models with "
                f"the memory head."
            )
    pairs = [(student.get_layer(name), teacher.get_layer(name).get_weights()) for name in names]
    for layer, weights in pairs:
        ours, theirs = [w.shape for w in layer.get_weights()], [w.shape for w in weights]
        if ours != theirs:
            raise UserError(
                f"{student.name}: its layer '{layer.name}' has weights of shapes {ours} but its teacher's "
                f"{theirs}; give both the same embedding, patterns and classes."
            )
    for layer, weights in pairs:
        layer.set_weights(weights)
