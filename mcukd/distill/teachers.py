"""A trained teacher at work: what it says to windows, and never about a window whose label it has seen,
where it is an ensemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.distill.augment import Augmentation, Augmenter
from mcukd.distill.trainer import FloatArray, logits

if TYPE_CHECKING:
    import keras

    from mcukd.distill.phases import Listener

#: Augmented copies of each training window that the teacher labels; their mean logits are the soft label.
COPIES = 4


@dataclass(frozen=True)
class Teacher:
    """One network, or several: an ensemble or a committee.

    models: from standardised windows (N, T, C) to logits. unseen_by: (N,) of an ensemble, for each training
    window the number of the model whose training animals do not include the window's; None where all may be
    asked. A model of fewer channels than the windows have is shown the first. taps: compiled ways to
    look into the network, by the layers looked at; teachers that are one model after another may share them.
    """

    models: tuple[keras.Model, ...]
    unseen_by: Optional[NDArray[np.int64]] = None
    taps: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _graphs: dict[int, Any] = field(default_factory=dict)
    epochs: int = 0

    @property
    def model(self) -> keras.Model:
        """The network; of several the first."""
        return self.models[0]

    def logits(self, windows: FloatArray) -> FloatArray:
        """Return the logits (N, K) of windows that all models may be asked about: the mean of theirs."""
        if len(self.models) == 1:
            return logits(self.model, windows[..., : self.model.input_shape[-1]])
        answers = [self._answer(number, windows) for number in range(len(self.models))]
        return np.mean(answers, axis=0, dtype=np.float32)

    def soft_labels(self, windows: FloatArray, how: Augmentation, seed: int) -> FloatArray:
        """Return logits (N, K) for the training windows (N, T, C), computed once.

        Each is the mean over augmented copies of the window: the student meets the window in every
        orientation, so its label should not depend on the one in which it happened to be recorded.
        """
        rng = np.random.default_rng(seed)
        augment = Augmenter(windows, how)
        everyone = np.arange(len(windows))
        copies = [self._about_training(augment(windows, rng), everyone) for _ in range(COPIES)]
        return np.mean(copies, axis=0, dtype=np.float32)

    def listener(self, layers: Sequence[str]) -> Listener:
        """Return what answers to augmented training windows: "logits" and the named layers' outputs.

        Layers are of a single network: several have no features in common.
        """
        features = tuple(name for name in layers if name != "logits")
        if len(self.models) > 1:
            assert not features, f"several networks have no single {features[0]}"
            return lambda windows, index: {"logits": self._about_training(windows, index)}
        if features not in self.taps:
            self.taps[features] = self._tapped(features)
        tapped = self.taps[features]

        def answer(windows: FloatArray, index: NDArray[np.int64]) -> dict[str, FloatArray]:
            parts = [tapped(windows[start : start + 512]) for start in range(0, len(windows), 512)]
            return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}

        return answer

    def about(self, chosen: NDArray[np.bool_]) -> Teacher:
        """Return the teacher of a pupil that learns from the training windows `chosen` (N,) only."""
        return self if self.unseen_by is None else replace(self, unseen_by=self.unseen_by[chosen])

    def _about_training(self, windows: FloatArray, index: NDArray[np.int64]) -> FloatArray:
        """Return logits for copies of the training windows `index`, each by a model that may be asked."""
        if self.unseen_by is None:
            return self.logits(windows)
        answers = np.empty((len(windows), self.model.output_shape[-1]), np.float32)
        for number in range(len(self.models)):
            mine = np.flatnonzero(self.unseen_by[index] == number)
            if len(mine):
                answers[mine] = self._answer(number, windows[mine])
        return answers

    def _answer(self, number: int, windows: FloatArray) -> FloatArray:
        """Return the logits (n, K) of one of several, by graph: step by step a GRU takes 40 times as long."""
        from mcukd.tensorflow_setup import tensorflow as tf

        model = self.models[number]
        if number not in self._graphs:
            ask = tf.function(lambda shown: model(shown, training=False), reduce_retracing=True)
            self._graphs[number] = ask
        own = windows[..., : model.input_shape[-1]]
        parts = [self._graphs[number](own[start : start + 512]) for start in range(0, len(own), 512)]
        return np.concatenate([np.asarray(part, np.float32) for part in parts])

    def _tapped(self, features: Sequence[str]) -> Any:
        from mcukd.tensorflow_setup import keras
        from mcukd.tensorflow_setup import tensorflow as tf

        outputs = {name: self.model.get_layer(name).output for name in ("logits", *features)}
        twin = keras.Model(self.model.inputs, outputs)
        return tf.function(lambda windows: twin(windows, training=False), reduce_retracing=True)

    @cached_property
    def together(self) -> keras.Model:
        """The one model to keep: the network itself, or of several the mean of their logits."""
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
