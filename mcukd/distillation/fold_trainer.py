"""Training of all models of one job: teacher, soft labels, baseline student and distilled student.

A FoldTrainer lives in a worker process and reuses its compiled models from job to job.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.distillation.architectures import ENSEMBLE, STUDENTS, Architecture, Shape
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.head_search import HeadSearchResult, search_head
from mcukd.distillation.hyperparameters import choose_epochs, choose_frequency
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.methods import METHODS
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_configs import student_training_config, teacher_training_config
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.distillation.work import (
    COSTS,
    ENSEMBLE_PARTS,
    Member,
    fit_phases,
    members,
    student_phases,
    teacher_architecture,
)
from mcukd.files import replacing, sha256_file
from mcukd.fold_results import DISTILLED, STUDENT, TEACHER, WEIGHTS, logits_name
from mcukd.models.gru_mlp import student_weights
from mcukd.models.student import weights_of
from mcukd.study import SOFT_LABELS_FILE, STUDENT_FILE, TEACHER_FILE
from mcukd.training.checkpoints import Checkpoints
from mcukd.training.phases import LABELS
from mcukd.training.trainer import FloatArray, Targets, Trainer, TrainingConfig, logits, logits_model

if TYPE_CHECKING:
    import keras

    from mcukd.training.phases import TeacherFn

#: Logit of the right class that replaces a wrong teacher output, times the temperature.
ONE_HOT_LOGIT = 30.0


@dataclass
class FoldTrainer:
    """The windows, the configuration and the compiled models of one worker process.

    training: overlapping windows, cut with the card's train_hop. evaluation: windows to predict.
    """

    training: Windows
    evaluation: Windows
    config: DistillConfig
    trainers: dict[str, Trainer] = field(default_factory=dict)
    _feature_extractors: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def train_fold(self, job: FoldJob, on_progress: Callable[[int], None] = lambda units: None) -> None:
        """Train the models of a job and write its result; on_progress is given the units done.

        Checkpoints of an interrupted job are in its scratch folder, and are resumed.
        """
        config = self.config
        checkpoints = Checkpoints(job.scratch, job.key)
        fits = FitContext(job.seed, on_progress, checkpoints)
        data = TrainingSet.normalized(job.training_of(self.training), config)

        teacher = self.train_teacher(data, fits)
        student_config = student_training_config(
            config, data.windows.counts.shape[1], data.windows.extra_vectors
        )
        soft = None
        # The final models' soft labels are an artefact of the study, whether the method uses them or not.
        if teacher is not None and (job.is_final or METHODS[config.method].uses_soft_labels):
            soft = teacher.soft_labels(data.inputs, student_config.augmentation, job.seed)
        if config.choose_epochs:
            student_config = choose_epochs(self, "student", data.windows, student_config, fits)
        trainer, chosen = self, {}
        if config.choose_frequency:
            assert teacher is not None
            weight = choose_frequency(self, teacher, soft, data, student_config, fits)
            trainer, chosen = self.with_frequency(weight), {"frequency": np.array(weight)}
        if job.is_final:
            student = trainer.train_distilled_student(teacher, soft, data, student_config, fits)
            student = self.on_counts("student", student, data.normalizer.scale)
            if config.search:
                found = trainer._search_head(student, teacher, soft, data, student_config, fits)
                student = found.final_model(student)
            self.export_final_models(job, teacher, student, data, soft)
            checkpoints.clear()
            return

        test_windows = self.evaluation.take(job.test_index(self.evaluation))
        test_inputs = data.normalizer.transform(test_windows)
        own_inputs = np.ascontiguousarray(test_inputs[..., : data.normalizer.channels])
        arrays: dict[str, Any] = {"epochs": np.array(student_config.epochs), **chosen}
        if teacher is not None:
            arrays[logits_name(TEACHER)] = teacher.logits(test_inputs)
            arrays["teacher_epochs"] = np.array(teacher.epochs)
        student = self.train_baseline_student(data, student_config, fits)
        arrays[logits_name(STUDENT)] = logits(student, own_inputs)
        arrays.update(self._weights(student, data, WEIGHTS[STUDENT]))
        if teacher is not None:
            student = trainer.train_distilled_student(teacher, soft, data, student_config, fits)
            arrays[logits_name(DISTILLED)] = logits(student, own_inputs)
            arrays.update(self._weights(student, data, WEIGHTS[DISTILLED]))
        if config.search:
            student = self.on_counts("student", student, data.normalizer.scale)
            found = trainer._search_head(student, teacher, soft, data, student_config, fits)
            arrays.update(found.arrays(test_windows.counts))
        job.write(self.evaluation, arrays)
        checkpoints.clear()

    def train_baseline_student(
        self, data: TrainingSet, config: TrainingConfig, fits: FitContext
    ) -> keras.Model:
        """Return a student trained on hard labels alone."""
        targets = Targets(data.windows.labels, smoothing=self.config.smoothing)
        return self.trainer("student").fit(
            data.inputs, targets, config, fits.seed, fits.on_progress, fits.checkpoint("student")
        )

    def train_teacher(self, data: TrainingSet, fits: FitContext) -> Optional[Teacher]:
        """Return the configured teacher, trained on `data`; None where the method has none.

        A single network is valid until the next teacher is trained.
        """
        config = self.config
        if config.teacher_name is None:
            return None

        windows = data.windows
        teacher_config = teacher_training_config(config, windows.extra_vectors)
        if config.choose_teacher_epochs:
            teacher_config = choose_epochs(self, "teacher", windows, teacher_config, fits)
        configs = {
            "teacher": teacher_config,
            "student": student_training_config(config, windows.counts.shape[1], windows.extra_vectors),
        }

        def fit(member: Member, own: TrainingSet) -> keras.Model:
            model = self.trainer(member.role).fit(
                own.inputs,
                Targets(own.windows.labels, smoothing=config.smoothing),
                configs[member.role],
                member.seed(fits.seed),
                fits.scaled(COSTS[member.role]).on_progress,
                fits.checkpoint(member.name),
            )
            return logits_model(model)

        networks, epochs = members(config), teacher_config.epochs
        if len(networks) == 1:
            model = fit(networks[0], data)
            return Teacher((model,), feature_extractors=self._feature_extractors, epochs=epochs)
        if config.teacher_name != ENSEMBLE:
            models = [self._copied(member.role, fit(member, data)) for member in networks]
            return Teacher(tuple(models), epochs=epochs)
        models, out_of_fold_model = [], np.empty(len(data), np.int64)
        folds = inner_folds([str(animal) for animal in windows.animals], ENSEMBLE_PARTS)
        for number, (member, fold) in enumerate(zip(networks, folds)):
            mask = data.animals_mask(fold.train_animals)
            models.append(self._copied(member.role, fit(member, data.subset(mask))))
            out_of_fold_model[~mask] = number
        return Teacher(tuple(models), out_of_fold_model, epochs=epochs)

    def with_frequency(self, weight: float) -> FoldTrainer:
        """Return this trainer, compiled models included, with another weight of SMLDist's spectral term."""
        return replace(self, config=replace(self.config, frequency=weight, choose_frequency=False))

    def train_distilled_student(
        self,
        teacher: Optional[Teacher],
        soft: Optional[FloatArray],
        data: TrainingSet,
        config: TrainingConfig,
        fits: FitContext,
        name: str = "distilled",
    ) -> keras.Model:
        """Return a student trained by the configured method.

        soft: the teacher's logits (N, K) for the training windows, where the method uses them. name: of the
        fit's checkpoint.
        """
        options, labels = self.config, data.windows.labels
        method = METHODS[options.method]
        checkpoint = fits.checkpoint(name)
        targets = Targets(labels, None, options.softness, options.mixing, options.smoothing)
        if teacher is None:
            return self.trainer("student").fit(
                data.inputs, replace(targets, mixing=0.0), config, fits.seed, fits.on_progress, checkpoint
            )
        targets = replace(
            targets, teacher=lambda names: self._wrap_teacher(teacher.outputs_fn(names), labels)
        )
        if method.uses_soft_labels:
            assert soft is not None
            targets = replace(targets, soft=self.correct_teacher_errors(soft, labels))
        trained = self._distillation_trainer(teacher).fit(
            data.inputs,
            targets,
            config,
            fits.seed,
            fits.on_progress,
            checkpoint,
            lambda model: method.init_from_teacher(model, teacher, options),
        )
        if trained is self.trainer("student").model:
            return trained
        student = self._build("student", np.ones(self.channels("student")))
        for layer in student.layers:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
        return student

    def _search_head(
        self,
        student: keras.Model,
        teacher: Optional[Teacher],
        soft: Optional[FloatArray],
        data: TrainingSet,
        config: TrainingConfig,
        fits: FitContext,
    ) -> HeadSearchResult:
        """Search the classifier of a student on counts, with a student of each inner fold trained likewise.

        An inner student is trained on the inner fold's training animals only; the teacher on all.
        """
        inner = []
        for number, fold in enumerate(inner_folds([str(animal) for animal in data.windows.animals])):
            mask = data.animals_mask(fold.train_animals)
            one = self.train_distilled_student(
                None if teacher is None else teacher.for_subset(mask),
                None if soft is None else soft[mask],
                data.subset(mask),
                config,
                fits,
                f"inner{number}",
            )
            inner.append(student_weights(self.on_counts("student", one, data.normalizer.scale)))
        return search_head(
            student_weights(student), inner, data.windows, self.config, fits.seed, fits.on_progress
        )

    def _distillation_trainer(self, teacher: Teacher) -> Trainer:
        method = METHODS[self.config.method]
        steps = self._shape("student").steps
        phases = student_phases(method, self.config, steps)
        if phases == self.trainer("student").phases:
            return self.trainer("student")  # one compiled model for baseline and distilled students
        # The weight of the spectral term is compiled in; within a job nothing else of the losses changes.
        name = f"distillation {self.config.frequency}"
        if name not in self.trainers:
            architecture = self._architecture("student")
            with_features = architecture.build_with_features
            build = with_features if with_features and method.needs_features else architecture.build
            moments = np.zeros(self.channels("student")), np.ones(self.channels("student"))

            def build_training_model() -> keras.Model:
                student = build(self._trained_shape("student"), self.config, *moments)
                return method.build_training_model(student, teacher.model, self.config)

            self.trainers[name] = Trainer(
                build_training_model,
                jit_compile=architecture.jit_compile,
                phases=phases,
                rollback=architecture.defaults_for(steps).rollback,
            )
        return self.trainers[name]

    def correct_teacher_errors(self, outputs: FloatArray, labels: NDArray[np.int64]) -> FloatArray:
        """Return a teacher's logits (n, K), those of a wrong class replaced by the label if configured."""
        if not self.config.gate:
            return outputs
        one_hot = np.eye(outputs.shape[1], dtype=np.float32)[labels] * ONE_HOT_LOGIT * self.config.softness
        right = outputs.argmax(axis=1) == labels
        return np.where(right[:, None], outputs, one_hot).astype(np.float32)

    def _wrap_teacher(self, teacher_fn: TeacherFn, labels: NDArray[np.int64]) -> TeacherFn:
        if not self.config.gate:
            return teacher_fn

        def corrected(windows: FloatArray, index: NDArray[np.int64]) -> dict[str, FloatArray]:
            return {
                name: self.correct_teacher_errors(output, labels[index])
                if name.endswith("logits")
                else output
                for name, output in teacher_fn(windows, index).items()
            }

        return corrected

    def export_final_models(
        self,
        job: FoldJob,
        teacher: Optional[Teacher],
        student: keras.Model,
        data: TrainingSet,
        soft: Optional[FloatArray],
    ) -> None:
        """Write the study's `teacher.keras`, `student.keras` (on counts) and `soft_labels.npz`."""
        models = {STUDENT_FILE: student}
        if teacher is not None:
            normalizer = data.normalizer
            scales = {"teacher": normalizer.scales, "student": normalizer.scales[: normalizer.channels]}
            networks = zip(members(self.config), teacher.models)
            models[TEACHER_FILE] = Teacher(
                tuple(self._copied(member.role, model, scales[member.role]) for member, model in networks)
            ).as_single_model
        digests = {}
        for name, model in models.items():
            with replacing(job.path / name) as temporary:
                model.save(temporary)
            digests[f"{name.partition('.')[0]}_sha256"] = np.array(sha256_file(job.path / name))
        soft_labels = {} if soft is None else {"logits": soft}
        # Written last: its key and digests certify the models.
        with replacing(job.path / SOFT_LABELS_FILE) as temporary:
            np.savez(
                temporary,
                key=np.array(job.key),
                labels=data.windows.labels,
                animals=data.windows.animals,
                classes=np.array(data.windows.classes),
                **soft_labels,
                **digests,
            )

    def trainer(self, role: str) -> Trainer:
        """Return this process's trainer of the "teacher", the "student" or the baseline "filter_mlp"."""
        if role not in self.trainers:
            architecture, channels = self._architecture(role), self.channels(role)
            steps = self._shape(role).steps
            on_labels = architecture.phases == (LABELS,)
            build = (
                architecture.build if on_labels else architecture.build_with_features or architecture.build
            )
            # Inputs are normalized, so that one compiled step serves the scale of every fold.
            self.trainers[role] = Trainer(
                lambda: build(self._trained_shape(role), self.config, np.zeros(channels), np.ones(channels)),
                jit_compile=architecture.jit_compile,
                phases=fit_phases(architecture, architecture.phases, steps),
                rollback=architecture.defaults_for(steps).rollback,
            )
        return self.trainers[role]

    def on_counts(self, role: str, trained: keras.Model, scale: float) -> keras.Model:
        """Return a copy of a model trained on normalized windows that takes raw counts."""
        return self._copied(role, trained, np.full(self.channels(role), scale))

    def _copied(
        self, role: str, trained: keras.Model, scales: Optional[NDArray[np.float64]] = None
    ) -> keras.Model:
        model = self._build(role, np.ones(self.channels(role)) if scales is None else scales)
        model.set_weights(trained.get_weights())
        return model

    def _build(self, role: str, scales: NDArray[np.float64]) -> keras.Model:
        zero = np.zeros(len(scales))
        return self._architecture(role).build(self._shape(role), self.config, zero, np.square(scales))

    def _architecture(self, role: str) -> Architecture:
        if role == "filter_mlp":
            return STUDENTS["filter-mlp"]
        return STUDENTS[self.config.student] if role == "student" else teacher_architecture(self.config)

    def _shape(self, role: str) -> Shape:
        steps = self.training.counts.shape[1]
        return Shape(steps, self.channels(role), len(self.training.classes))

    def _trained_shape(self, role: str) -> Shape:
        any_length = self._architecture(role).uses_length_curriculum
        return self._shape(role)._replace(steps=0) if any_length else self._shape(role)

    def channels(self, role: str) -> int:
        """Return the number of input channels of the "teacher" or the "student"."""
        own = int(self.training.counts.shape[2])
        return self.config.teacher_channels(self.training) if role == "teacher" else own

    def _weights(self, student: keras.Model, data: TrainingSet, prefix: str) -> dict[str, Any]:
        return weights_of(self.on_counts("student", student, data.normalizer.scale)).arrays(prefix)
