"""A trained teacher: its logits, soft labels and features.

The members of an ensemble label only training windows of animals they were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from mcukd.training.augmentation import Augmentation, Augmenter
from mcukd.training.prediction import MOST_PER_CALL, FloatArray, in_parts, logits

if TYPE_CHECKING:
    import keras

    from mcukd.training.phases import TeacherFn
    from mcukd.training.window_forest import WindowForest

#: Channels of the accelerometer, which come first and are all that a forest reads.
FOREST_CHANNELS = 3
#: Augmented copies of each training window; the soft label is the mean of their logits.
COPIES = 4
#: Weight of a forest's probabilities in an ensemble's; the networks have the rest.
FOREST_WEIGHT = 0.5
#: Least probability of an ensemble with a forest, whose trees may all exclude a class.
LEAST_PROBABILITY = 1e-4
#: Index that stands for the mean over all models, none of which was trained on the window's animal.
ALL_MODELS = -1


@dataclass(frozen=True)
class Teacher:
    """One network, or several: an ensemble or a mixed ensemble.

    models: from normalized windows (N, T, C) to logits (N, K). out_of_fold_model: (N,), for each training
    window the index of the ensemble's model that was not trained on its animal, or ALL_MODELS; None where
    every model may label every window. A model with fewer channels than the windows gets the first ones.
    forest: averaged with the networks' probabilities; `scale` are the counts that became 1 in the windows.
    feature_extractors: compiled functions by the layers they return; teachers that reuse one Keras model may
    share them.
    """

    models: tuple[keras.Model, ...]
    out_of_fold_model: NDArray[np.int64] | None = None
    feature_extractors: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _graphs: dict[int, Any] = field(default_factory=dict)
    epochs: float = 0
    forest: WindowForest | None = None
    scale: float = 1.0

    @property
    def model(self) -> keras.Model:
        """The network; of several the first."""
        return self.models[0]

    def logits(self, windows: FloatArray) -> FloatArray:
        """Return the logits (N, K) of windows that no model was trained on: the mean over the models.

        With a forest they are logarithms of the mean of its probabilities and the networks'.
        """
        outputs = self._network_logits(windows)
        if self.forest is None:
            return outputs
        trees = self.forest.probabilities(windows[..., :FOREST_CHANNELS] * self.scale)
        mean = FOREST_WEIGHT * trees + (1 - FOREST_WEIGHT) * softmax(outputs, axis=1)
        return np.log(np.maximum(mean, LEAST_PROBABILITY)).astype(np.float32)

    def _network_logits(self, windows: FloatArray) -> FloatArray:
        if len(self.models) == 1:
            return logits(self.model, windows[..., : self.model.input_shape[-1]])
        outputs = [self.logits_of(number, windows) for number in range(len(self.models))]
        return np.mean(outputs, axis=0, dtype=np.float32)

    def soft_labels(self, windows: FloatArray, augmentation: Augmentation, seed: int) -> FloatArray:
        """Return logits (N, K) for the training windows (N, T, C), computed once before training.

        Each is the mean over augmented copies of the window: the student sees the window in every
        orientation, so its label should not depend on the one in which it was recorded.
        """
        rng = np.random.default_rng(seed)
        augment = Augmenter(windows, augmentation)
        everything = np.arange(len(windows))
        copies = [self._training_logits(augment(windows, rng), everything) for _ in range(COPIES)]
        return np.mean(copies, axis=0, dtype=np.float32)

    def outputs_fn(self, layers: Sequence[str]) -> TeacherFn:
        """Return the function from augmented training windows to "logits" and the named layers' outputs.

        "LAYER/P" stands for the layer's features averaged over each of P equal parts of a window. Layers can
        be asked of a single network only: several have no features in common.
        """
        features = tuple(name for name in layers if name != "logits")
        if len(self.models) > 1:
            assert not features, f"several networks have no single {features[0]}"
            return lambda windows, index: {"logits": self._training_logits(windows, index)}
        if features not in self.feature_extractors:
            self.feature_extractors[features] = self._feature_extractor(features)
        extract = self.feature_extractors[features]

        def outputs(windows: FloatArray, index: NDArray[np.int64]) -> dict[str, FloatArray]:
            return in_parts(extract, windows, MOST_PER_CALL)

        return outputs

    def for_subset(self, mask: NDArray[Any]) -> Teacher:
        """Return the teacher of a student trained on some training windows only: a mask (N,) or indices."""
        if self.out_of_fold_model is None:
            return self
        return replace(self, out_of_fold_model=self.out_of_fold_model[mask])

    def with_new_windows(self, count: int) -> Teacher:
        """Return the teacher of a training set with `count` more windows, which no model was trained on."""
        if self.out_of_fold_model is None:
            return self
        new = np.full(count, ALL_MODELS, np.int64)
        return replace(self, out_of_fold_model=np.concatenate([self.out_of_fold_model, new]))

    def with_model(self, model: keras.Model) -> Teacher:
        """Return an ensemble with one more model, which answers wherever all models do."""
        return replace(self, models=(*self.models, model), _graphs=dict(self._graphs))

    def _training_logits(self, windows: FloatArray, index: NDArray[np.int64]) -> FloatArray:
        """Return logits for augmented training windows `index`, each by a model that may label it."""
        if self.out_of_fold_model is None:
            return self.logits(windows)
        outputs = np.empty((len(windows), self.model.output_shape[-1]), np.float32)
        for number in (ALL_MODELS, *range(len(self.models))):
            of_model = np.flatnonzero(self.out_of_fold_model[index] == number)
            if len(of_model):
                own = windows[of_model]
                outputs[of_model] = self.logits(own) if number == ALL_MODELS else self.logits_of(number, own)
        return outputs

    def logits_of(self, number: int, windows: FloatArray) -> FloatArray:
        """Return the logits (n, K) of one of several models, as a graph: a GRU is 40 times slower eagerly."""
        from mcukd.tensorflow_setup import tensorflow as tf

        model = self.models[number]
        if number not in self._graphs:
            graph = tf.function(lambda inputs: model(inputs, training=False), reduce_retracing=True)
            self._graphs[number] = graph
        own = windows[..., : model.input_shape[-1]]
        graph = self._graphs[number]
        return in_parts(lambda part: {"logits": graph(part)}, own, MOST_PER_CALL)["logits"]

    def _feature_extractor(self, features: Sequence[str]) -> Any:
        from mcukd.tensorflow_setup import keras
        from mcukd.tensorflow_setup import tensorflow as tf

        names = ("logits", *features)
        outputs = {name: self.model.get_layer(name.partition("/")[0]).output for name in names}
        model = keras.Model(self.model.inputs, outputs)

        def extract(windows: Any) -> dict[str, Any]:
            found = model(windows, training=False)
            return {name: _mean_of_parts(found[name], name.partition("/")[2]) for name in names}

        return tf.function(extract, reduce_retracing=True)

    @cached_property
    def as_single_model(self) -> keras.Model:
        """One Keras model to save: the network itself, or of several one that averages their logits.

        A forest is no part of it.
        """
        from mcukd.tensorflow_setup import keras

        if len(self.models) == 1:
            return self.model
        inputs = keras.Input(self.model.input_shape[1:], name="counts")
        members = []
        for number, model in enumerate(self.models, 1):
            member = keras.models.clone_model(model)
            member.set_weights(model.get_weights())
            member.name = f"member{number}"
            members.append(member(inputs[..., : member.input_shape[-1]]))
        return keras.Model(inputs, keras.layers.Average(name="logits")(members), name="teacher")


def _mean_of_parts(features: Any, parts: str) -> Any:
    """Return the means (N, P, F) of features (N, T, F) over P equal parts of the window; "" for no parts.

    Samples behind the last part are left out; a window shorter than P samples has as many parts as samples.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    if not parts:
        return features
    length = tf.maximum(1, tf.shape(features)[1] // int(parts))
    count = tf.minimum(int(parts), tf.shape(features)[1])
    used = features[:, : length * count]
    return tf.reduce_mean(tf.reshape(used, (-1, count, length, features.shape[2])), axis=2)
