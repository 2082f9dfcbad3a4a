"""Trainer of networks on labels: teachers and plain students."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.distillation.architectures import ENSEMBLE, FOREST_ENSEMBLE
from mcukd.distillation.forest import fit_forest
from mcukd.distillation.hyperparameters import choose_epochs
from mcukd.distillation.networks import Networks
from mcukd.distillation.plan import ENSEMBLE_PARTS, Member, epoch_factors, members
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_configs import student_training_config, teacher_training_config
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.training.outliers import synthetic_outliers
from mcukd.training.prediction import logits_model
from mcukd.training.trainer import Targets, TrainingConfig

if TYPE_CHECKING:
    import keras

    from mcukd.training.window_forest import WindowForest

#: Name of the class that synthetic outliers are while a student is trained, and of its trainer.
_OUTLIERS = "outliers"


@dataclass
class LabelTrainer(Networks):
    """Trains the configured teacher, and students without one."""

    _feature_extractors: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def train_teacher(self, data: TrainingSet, fits: FitContext) -> Teacher | None:
        """Return the configured teacher, trained on `data`; None where the method has none.

        A single network is valid until the next teacher is trained.
        """
        config = self.config
        networks = members(config)
        if not networks:
            return None
        windows = data.windows
        factors = epoch_factors(config.choose_teacher_epochs)
        teacher_config = teacher_training_config(config, len(data), windows.extra_vectors)
        teacher_config = self.with_chosen_epochs("teacher", factors, windows, teacher_config, fits)
        student_config = student_training_config(config, windows.counts.shape[1], windows.extra_vectors)
        configs = {"teacher": teacher_config, "student": student_config}

        def fit(member: Member, own: TrainingSet) -> keras.Model:
            seeded = replace(fits, seed=member.seed(fits.seed))
            return logits_model(
                self._fit_on_labels(member.role, own, configs[member.role], seeded, member.name)
            )

        epochs = teacher_config.epochs
        if len(networks) == 1:
            model = fit(networks[0], data)
            return Teacher((model,), feature_extractors=self._feature_extractors, epochs=epochs)
        if config.teacher_name != ENSEMBLE:
            models = [self.copied(member.role, fit(member, data)) for member in networks]
            return Teacher(
                tuple(models), epochs=epochs, forest=self._forest(data, fits), scale=data.normalizer.scale
            )
        models, out_of_fold_model = [], np.empty(len(data), np.int64)
        folds = inner_folds([str(animal) for animal in windows.animals], ENSEMBLE_PARTS)
        for number, (member, fold) in enumerate(zip(networks, folds)):
            mask = data.animals_mask(fold.train_animals)
            models.append(self.copied(member.role, fit(member, data.subset(mask))))
            out_of_fold_model[~mask] = number
        return Teacher(tuple(models), out_of_fold_model, epochs=epochs)

    def _forest(self, data: TrainingSet, fits: FitContext) -> WindowForest | None:
        """Return the random forest among the teacher's members; None where it has none."""
        if self.config.teacher_name != FOREST_ENSEMBLE:
            return None
        return fit_forest(data.windows, replace(self.config, jobs=1), fits.seed)

    def train_baseline_student(
        self, data: TrainingSet, config: TrainingConfig, fits: FitContext
    ) -> keras.Model:
        """Return a student trained on hard labels alone."""
        if self.config.outliers:
            return self.train_with_outliers(data, config, fits, "student")
        return self._fit_on_labels("student", data, config, fits, "student", carried=self.config.stream)

    def _fit_on_labels(
        self,
        role: str,
        data: TrainingSet,
        config: TrainingConfig,
        fits: FitContext,
        name: str,
        *,
        carried: bool = False,
    ) -> keras.Model:
        targets = Targets(data.windows.labels, smoothing=self.config.smoothing)
        return self.trainer(role, carried=carried).fit(
            data.inputs,
            targets,
            config,
            fits.seed,
            fits.on_progress,
            fits.checkpoint(name),
            context=data.in_context() if carried else None,
        )

    def train_with_outliers(
        self, data: TrainingSet, config: TrainingConfig, fits: FitContext, name: str
    ) -> keras.Model:
        """Return a student trained on labels and synthetic outliers, a class that it no longer has then."""
        classes = len(self.training.classes)
        if _OUTLIERS not in self.trainers:
            wider = replace(self.training, classes=(*self.training.classes, _OUTLIERS))
            self.trainers[_OUTLIERS] = replace(self, training=wider, trainers={}).trainer("student")
        labelled = data.windows
        number = int(self.config.outliers * len(data))
        counts = synthetic_outliers(labelled.counts, number, fits.seed)
        first = np.zeros(len(counts), np.int64)
        inputs = data.normalizer.transform(replace(labelled.take(first), counts=counts))
        targets = Targets(np.concatenate([labelled.labels, first + classes]), smoothing=self.config.smoothing)
        trained = self.trainers[_OUTLIERS].fit(
            np.concatenate([data.inputs, inputs]),
            targets,
            config,
            fits.seed,
            fits.on_progress,
            fits.checkpoint(name),
        )
        student = self.build("student")
        for layer in student.layers:
            own = layer.get_weights()
            found = trained.get_layer(layer.name).get_weights()
            # Outputs come last in kernels and biases; that of outliers is the last of all.
            layer.set_weights([some[..., : mine.shape[-1]] for some, mine in zip(found, own)])
        return student

    def with_chosen_epochs(
        self,
        role: str,
        factors: tuple[float, ...],
        windows: Windows,
        training: TrainingConfig,
        fits: FitContext,
    ) -> TrainingConfig:
        """Return a training with the epochs that do best on inner animals; unchanged without factors.

        factors: multiples of `training.epochs` to choose among.
        """

        def train(data: TrainingSet, candidate: TrainingConfig, name: str) -> keras.Model:
            return self._fit_on_labels(role, data, candidate, fits, f"{role}-{name}")

        return choose_epochs(factors, training, windows, self.config, train)

    def teacher_on_counts(self, teacher: Teacher, data: TrainingSet) -> keras.Model:
        """Return the teacher as one model that takes raw counts and the extra channels."""
        own, scales = data.normalizer.channels, data.normalizer.scales
        roles = [member.role for member in members(self.config)]
        models = [
            self.copied(role, model, scales if role == "teacher" else scales[:own])
            for role, model in zip(roles, teacher.models)
        ]
        return Teacher(tuple(models)).as_single_model
