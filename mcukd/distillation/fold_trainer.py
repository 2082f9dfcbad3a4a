"""Trainer of one fold's models: teacher, soft labels, baseline student and distilled student.

A FoldTrainer lives in a worker process and reuses its compiled models from job to job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.distillation.head_search import HeadSearchResult, search_head
from mcukd.distillation.hyperparameters import MethodOptions, choose_options
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.label_trainer import LabelTrainer
from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.method import Method, MethodSettings
from mcukd.distillation.options import stored
from mcukd.distillation.plan import (
    epoch_factors,
    students,
)
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_configs import student_training_config
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.distillation.unlabelled import DistillationSet, unlabelled_windows
from mcukd.fold_results import STUDENT, TEACHER, WEIGHT_PREFIXES, logits_name
from mcukd.models.carried import carried_logits
from mcukd.models.gru_mlp import student_weights
from mcukd.models.student import weights_of
from mcukd.training.checkpoints import Checkpoints
from mcukd.training.prediction import FloatArray, logits
from mcukd.training.trainer import Targets, Trainer, TrainingConfig

if TYPE_CHECKING:
    import keras

    from mcukd.training.phases import TeacherFn

#: Logit of the right class that replaces a wrong teacher output, times the temperature.
ONE_HOT_LOGIT = 30.0


@dataclass
class FoldTrainer(LabelTrainer):
    """The windows, the configuration and the compiled models of one worker process.

    recordings: windows of unlabelled recordings, where there are any. method_options: values of the method's
    options in place of those configured.
    """

    recordings: Windows | None = None
    method_options: MethodOptions = field(default_factory=dict)

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
        unlabelled = unlabelled_windows(job, self.training, self.recordings, config)
        soft = None
        # The final models' soft labels are an artefact of the study, whether the method uses them or not.
        # With unlabelled windows the teacher answers on all of them together, below.
        uses_soft = self._method.uses_soft_labels and unlabelled is None
        if teacher is not None and (job.is_final or uses_soft):
            soft = teacher.soft_labels(data.inputs, student_config.augmentation, job.seed)
        factors = epoch_factors(config.choose_epochs)
        student_config = self.with_chosen_epochs("student", factors, data.windows, student_config, fits)
        distilled_config = student_config.with_more_epochs(config.epoch_factor)
        training_set = DistillationSet(data, len(data), teacher, soft, distilled_config)
        if teacher is not None and unlabelled is not None:
            training_set = self._with_unlabelled(training_set, unlabelled, fits)

        def train_on_subset(options: MethodOptions, mask: NDArray[np.bool_], name: str) -> keras.Model:
            return self.with_options(options)._train_on(training_set.subset(mask), fits, name)

        candidates = self._method.candidates(config.method_settings)
        chosen = choose_options(candidates, data, train_on_subset)
        trainer = self.with_options(chosen)
        arrays: dict[str, Any] = {"epochs": np.array(student_config.epochs)}
        arrays.update({name: np.array(value) for name, value in stored(chosen).items()})
        test = self.evaluation.take(job.test_index(self.evaluation))
        test_inputs = data.normalizer.transform(test)
        if teacher is not None and not job.is_final:
            arrays[logits_name(TEACHER)] = teacher.logits(test_inputs)
            arrays["teacher_epochs"] = np.array(teacher.epochs)
        for name in students(config, final=job.is_final):
            if name == STUDENT:
                student = self.train_baseline_student(data, student_config, fits)
            else:
                student = trainer._train_on(training_set, fits)
            if not job.is_final:
                if config.stream:
                    weights = weights_of(self.on_counts("student", student, data.normalizer.scale))
                    arrays[logits_name(name)] = carried_logits(weights, test).astype(np.float32)
                else:
                    own_inputs = np.ascontiguousarray(test_inputs[..., : data.normalizer.channels])
                    arrays[logits_name(name)] = logits(student, own_inputs)
                arrays.update(self._weights(student, data, WEIGHT_PREFIXES[name]))
        if job.is_final or config.search:
            student = self.on_counts("student", student, data.normalizer.scale)
        if config.search:

            def train_inner(mask: NDArray[np.bool_], name: str) -> keras.Model:
                return train_on_subset(chosen, mask, name)

            found = self._search_head(student, data, fits, train_inner)
            if job.is_final:
                student = found.final_model(student)
            else:
                arrays.update(found.arrays(test.counts))
        if job.is_final:
            whole = None if teacher is None else self.teacher_on_counts(teacher, data)
            job.write_final(data.windows, student, whole, soft)
        else:
            job.write(self.evaluation, arrays)
        checkpoints.clear()

    def with_options(self, options: MethodOptions) -> FoldTrainer:
        """Return this trainer, compiled models included, with other values of the method's options."""
        return replace(self, method_options={**self.method_options, **options})

    def train_distilled_student(
        self,
        teacher: Teacher | None,
        soft: FloatArray | None,
        data: TrainingSet,
        config: TrainingConfig,
        fits: FitContext,
        name: str = "distilled",
    ) -> keras.Model:
        """Return a student trained by the configured method.

        soft: the teacher's logits (N, K) for the training windows, where the method uses them. name: of the
        fit's checkpoint.
        """
        options, labels, method = self.config, data.windows.labels, self._method
        if teacher is None and options.outliers:
            return self.train_with_outliers(data, config, fits, name)
        checkpoint = fits.checkpoint(name)
        targets = Targets(labels, None, options.softness, options.alpha, options.smoothing)
        on_labels = self.trainer("student", carried=options.stream)
        context = data.in_context() if options.stream else None
        if teacher is None:
            return on_labels.fit(
                data.inputs,
                replace(targets, alpha=0.0),
                config,
                fits.seed,
                fits.on_progress,
                checkpoint,
                context=context,
            )
        targets = replace(
            targets, teacher=lambda names: self._wrap_teacher(teacher.outputs_fn(names), labels)
        )
        if method.uses_soft_labels:
            assert soft is not None
            targets = replace(targets, soft=self.correct_teacher_errors(soft, labels))
        settings = self.method_settings
        trained = self._distillation_trainer(teacher).fit(
            data.inputs,
            targets,
            config,
            fits.seed,
            fits.on_progress,
            checkpoint,
            lambda model: method.init_from_teacher(model, teacher, settings),
            context,
        )
        if trained is on_labels.model:
            return trained
        student = self.build("student")
        for layer in student.layers:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
        return student

    def _train_on(
        self, training_set: DistillationSet, fits: FitContext, name: str = "distilled"
    ) -> keras.Model:
        return self.train_distilled_student(
            training_set.teacher, training_set.soft, training_set.data, training_set.config, fits, name
        )

    def _with_unlabelled(
        self, labelled: DistillationSet, unlabelled: Windows, fits: FitContext
    ) -> DistillationSet:
        """Return the training set with unlabelled windows, answered by the teachers of the last round."""
        config, teacher = self.config, labelled.teacher
        assert teacher is not None, "nothing answers on unlabelled windows"
        for number in count(1):
            extended = DistillationSet.with_unlabelled(
                labelled.data, unlabelled, teacher, labelled.config, config.unlabelled_choice, fits.seed
            )
            if number == config.rounds:
                return extended
            student = self._train_on(extended, fits, f"round{number}")
            teacher = teacher.with_model(self.copied("student", student))
        raise AssertionError("count() does not end")

    def correct_teacher_errors(self, outputs: FloatArray, labels: NDArray[np.int64]) -> FloatArray:
        """Return a teacher's logits (n, K), those of a wrong class replaced by the label if configured."""
        if not self.config.correct_teacher:
            return outputs
        one_hot = np.eye(outputs.shape[1], dtype=np.float32)[labels] * ONE_HOT_LOGIT * self.config.softness
        right = outputs.argmax(axis=1) == labels
        return np.where(right[:, None], outputs, one_hot).astype(np.float32)

    @property
    def _method(self) -> Method:
        return METHODS[self.config.method]

    @property
    def method_settings(self) -> MethodSettings:
        """The settings of the configured method, with the options of this trainer."""
        return self.config.method_settings.with_options(self.method_options)

    def _search_head(
        self,
        student: keras.Model,
        data: TrainingSet,
        fits: FitContext,
        train: Callable[[NDArray[np.bool_], str], keras.Model],
    ) -> HeadSearchResult:
        """Search the classifier of a student on counts, with a student of each inner fold trained likewise.

        train: trains a student on the windows of a mask (N,); the text names its checkpoint. An inner student
        is trained on the inner fold's training animals only; the teacher on all.
        """
        inner = []
        for number, fold in enumerate(inner_folds([str(animal) for animal in data.windows.animals])):
            one = train(data.animals_mask(fold.train_animals), f"inner{number}")
            inner.append(student_weights(self.on_counts("student", one, data.normalizer.scale)))
        return search_head(
            student_weights(student), inner, data.windows, self.config, fits.seed, fits.on_progress
        )

    def _distillation_trainer(self, teacher: Teacher) -> Trainer:
        method, settings = self._method, self.method_settings
        phases = self.fit_phases("student", method.phases(settings))
        on_labels = self.trainer("student", carried=self.config.stream)
        if phases == on_labels.phases:
            return on_labels  # one compiled model for baseline and distilled students
        # The method's options are compiled in; within a job nothing else of the losses changes.
        name = f"distillation {sorted(settings.options.items())}"
        if name not in self.trainers:
            architecture = self.architecture("student")
            with_features = architecture.build_with_features
            build = with_features if with_features and method.needs_features else architecture.build
            moments = np.zeros(self.channels("student")), np.ones(self.channels("student"))

            def build_training_model() -> keras.Model:
                student = build(self.trained_shape("student"), self.config, *moments)
                return method.build_training_model(student, teacher.model, settings)

            self.trainers[name] = Trainer(
                build_training_model,
                jit_compile=architecture.jit_compile,
                phases=phases,
                rollback=architecture.defaults_for(self.shape("student").steps).rollback,
                carried=architecture.carried if self.config.stream else None,
            )
        return self.trainers[name]

    def _wrap_teacher(self, teacher_fn: TeacherFn, labels: NDArray[np.int64]) -> TeacherFn:
        if not self.config.correct_teacher:
            return teacher_fn

        def corrected(windows: FloatArray, index: NDArray[np.int64]) -> dict[str, FloatArray]:
            return {
                name: self.correct_teacher_errors(output, labels[index])
                if name.endswith("logits")
                else output
                for name, output in teacher_fn(windows, index).items()
            }

        return corrected

    def _weights(self, student: keras.Model, data: TrainingSet, prefix: str) -> dict[str, Any]:
        return weights_of(self.on_counts("student", student, data.normalizer.scale)).arrays(prefix)
