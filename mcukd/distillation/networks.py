"""Compiled networks of one worker process: teacher, student and baseline, reused from fit to fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.architectures import STUDENTS, Architecture, Shape
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.plan import teacher_architecture
from mcukd.training.phases import LABELS, Phase, length_curriculum
from mcukd.training.trainer import Trainer

if TYPE_CHECKING:
    import keras


@dataclass
class Networks:
    """Builds the configured networks for the windows of a data set, and trainers that compile them once.

    training: overlapping windows, cut with the card's train_hop. evaluation: windows to predict. A network is
    named by its role: "teacher", "student", or "filter_mlp" for the baseline.
    """

    training: Windows
    evaluation: Windows
    config: DistillConfig
    trainers: dict[str, Trainer] = field(default_factory=dict)

    def trainer(self, role: str, *, carried: bool = False) -> Trainer:
        """Return this process's trainer that fits a network to labels; carried: in the windows' context."""
        name = f"carried {role}" if carried else role
        if name not in self.trainers:
            architecture, channels = self.architecture(role), self.channels(role)
            on_labels = architecture.phases == (LABELS,)
            build = (
                architecture.build if on_labels else architecture.build_with_features or architecture.build
            )
            # Inputs are normalized, so that one compiled step serves the scale of every fold.
            self.trainers[name] = Trainer(
                lambda: build(self.trained_shape(role), self.config, np.zeros(channels), np.ones(channels)),
                jit_compile=architecture.jit_compile,
                phases=self.fit_phases(role, architecture.phases),
                rollback=architecture.defaults_for(self.shape(role).steps).rollback,
                carried=architecture.carried if carried else None,
            )
        return self.trainers[name]

    def fit_phases(self, role: str, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        """Return the phases of a network's fit, with the length curriculum if its architecture uses it."""
        any_length = self.architecture(role).uses_length_curriculum
        return length_curriculum(phases, self.shape(role).steps) if any_length else phases

    def on_counts(self, role: str, trained: keras.Model, scale: float) -> keras.Model:
        """Return a copy of a model trained on normalized windows that takes raw counts."""
        return self.copied(role, trained, np.full(self.channels(role), scale))

    def copied(
        self, role: str, trained: keras.Model, scales: NDArray[np.float64] | None = None
    ) -> keras.Model:
        """Return a copy of a model for inputs (N, T, C) that it divides by `scales` (C,); by 1 without."""
        model = self.build(role, scales)
        model.set_weights(trained.get_weights())
        return model

    def build(self, role: str, scales: NDArray[np.float64] | None = None) -> keras.Model:
        """Return a network with fresh weights for inputs that it divides by `scales` (C,); by 1 without."""
        scales = np.ones(self.channels(role)) if scales is None else scales
        zero = np.zeros(len(scales))
        return self.architecture(role).build(self.shape(role), self.config, zero, np.square(scales))

    def architecture(self, role: str) -> Architecture:
        """Return the architecture of a network."""
        if role == "filter_mlp":
            return STUDENTS["filter-mlp"]
        return STUDENTS[self.config.student] if role == "student" else teacher_architecture(self.config)

    def shape(self, role: str) -> Shape:
        """Return the shape of a network's windows."""
        steps = self.training.counts.shape[1]
        return Shape(steps, self.channels(role), len(self.training.classes))

    def trained_shape(self, role: str) -> Shape:
        """Return the shape of the windows it is trained on: of any length with a length curriculum."""
        any_length = self.architecture(role).uses_length_curriculum
        return self.shape(role)._replace(steps=0) if any_length else self.shape(role)

    def channels(self, role: str) -> int:
        """Return the number of a network's input channels."""
        own = int(self.training.counts.shape[2])
        return self.config.teacher_channels(self.training) if role == "teacher" else own
