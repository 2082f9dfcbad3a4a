"""Where lessons are taught: teacher, soft labels and students from one set of training animals.

Lives in a worker process and keeps its compiled models from lesson to lesson.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.distill.checkpoint import Checkpoints
from mcukd.distill.choosing import choose_epochs, choose_frequency
from mcukd.distill.config import DistillConfig
from mcukd.distill.kinds import ENSEMBLE, STUDENTS, Kind, Shape
from mcukd.distill.lesson import SOFT_LABELS, STUDENT, TEACHER, Lesson
from mcukd.distill.methods import METHODS
from mcukd.distill.phases import LABELS
from mcukd.distill.plan import (
    COSTS,
    ENSEMBLE_PARTS,
    Member,
    fit_phases,
    members,
    student_phases,
    teacher_kind,
)
from mcukd.distill.recipes import augmentation, student_recipe, teacher_recipe
from mcukd.distill.searching import Searched, search_head
from mcukd.distill.teachers import Teacher
from mcukd.distill.trainer import FloatArray, Recipe, Targets, Trainer, answering, logits
from mcukd.distill.view import View, channels_of
from mcukd.files import replacing, sha256_file
from mcukd.models.gru_mlp import student_weights
from mcukd.models.student import weights_of

if TYPE_CHECKING:
    import keras

    from mcukd.distill.phases import Listener

#: Logit of the right class where a teacher that was wrong is not believed, times the temperature.
CERTAIN = 30.0

Advance = Callable[[int], None]


@dataclass
class Classroom:
    """The windows, the options and the compiled models of one worker process.

    training: overlapping windows, cut with the card's train_hop. evaluation: windows to be predicted.
    """

    training: Windows
    evaluation: Windows
    config: DistillConfig
    _trainers: dict[str, Trainer] = field(default_factory=dict)
    _taps: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def teach(self, lesson: Lesson, advance: Advance = lambda units: None) -> None:
        """Train the models of a lesson and write its result; `advance` is told the units done.

        What was trained when a lesson was interrupted is kept in its scratch folder, and used again.
        """
        config, seed = self.config, lesson.seed
        saved = Checkpoints(lesson.scratch, lesson.key)
        seen = lesson.training_of(self.training)
        view = View.of(seen, config)
        windows = view.show(seen)
        plain_targets = Targets(seen.labels, smoothing=config.smoothing)

        teacher = self.raise_teacher(seen, windows, seed, advance, saved)
        how = augmentation(config, seen.extra_vectors)
        soft = None
        # Of what is shipped they are part, whether the method learns from them or not.
        if teacher is not None and (lesson.shipped or METHODS[config.method].uses_soft_labels):
            soft = teacher.soft_labels(windows, how, seed)
        recipe = replace(student_recipe(config, seen.counts.shape[1]), augmentation=how)
        if config.choose_epochs:
            recipe = choose_epochs(self, "student", seen, recipe, seed, advance, saved)
        room, chosen = self, {}
        if config.choose_frequency:
            assert teacher is not None
            weight = choose_frequency(self, teacher, soft, seen, recipe, seed, advance, saved)
            room, chosen = self.with_frequency(weight), {"frequency": np.array(weight)}
        if lesson.shipped:
            student = room.taught_student(teacher, soft, seen, windows, recipe, seed, advance, saved)
            student = self.on_counts("student", student, view.scale)
            if config.search:
                found = room._searched(student, teacher, soft, seen, view, recipe, seed, advance, saved)
                student = found.shipped(student)
            self._ship(lesson, teacher, student, view, seen, soft)
            saved.clear()
            return

        index = lesson.test_index(self.evaluation)
        test = view.show(self.evaluation.take(index))
        own = np.ascontiguousarray(test[..., : view.channels])
        results: dict[str, Any] = dict(chosen)
        if teacher is not None:
            results["teacher_logits"] = teacher.logits(test)
            results["teacher_epochs"] = np.array(teacher.epochs)
        student = self.plain_student(windows, plain_targets, recipe, seed, advance, saved)
        results["student_logits"] = logits(student, own)
        results.update(self._weights(student, view, "student__"))
        if teacher is not None:
            student = room.taught_student(teacher, soft, seen, windows, recipe, seed, advance, saved)
            results["student_distilled_logits"] = logits(student, own)
            results.update(self._weights(student, view, "student_distilled__"))
        if config.search:
            taught = self.on_counts("student", student, view.scale)
            found = room._searched(taught, teacher, soft, seen, view, recipe, seed, advance, saved)
            results.update(found.results(self.evaluation.counts[index]))
        with replacing(lesson.path) as temporary:
            np.savez(
                temporary,
                key=np.array(lesson.key),
                test_index=index,
                labels=self.evaluation.labels[index],
                train_animals=np.array(lesson.train_animals),
                test_animals=np.array(lesson.test_animals),
                epochs=np.array(recipe.epochs),
                **results,
            )
        saved.clear()

    def plain_student(
        self,
        windows: FloatArray,
        targets: Targets,
        recipe: Recipe,
        seed: int,
        advance: Advance,
        saved: Checkpoints,
    ) -> keras.Model:
        """Return a student that learnt standardised windows (N, T, C) from their labels alone."""
        return self.trainer("student").fit(windows, targets, recipe, seed, advance, saved.of("student"))

    def raise_teacher(
        self,
        seen: Windows,
        windows: FloatArray,
        seed: int,
        advance: Advance = lambda units: None,
        saved: Optional[Checkpoints] = None,
    ) -> Optional[Teacher]:
        """Train the teacher the options ask for on `seen`, whose standardised form is `windows` (N, T, C).

        Returns None where the method has none. Its models serve until the next teacher is trained.
        """
        config = self.config
        if config.teacher_name is None:
            return None

        how = augmentation(config, seen.extra_vectors)
        recipe = replace(teacher_recipe(config), augmentation=how)
        if config.choose_teacher_epochs:
            recipe = choose_epochs(self, "teacher", seen, recipe, seed, advance, saved)
        recipes = {
            "teacher": recipe,
            "student": replace(student_recipe(config, seen.counts.shape[1]), augmentation=how),
        }

        def fit(member: Member, mine: NDArray[np.bool_]) -> keras.Model:
            model = self.trainer(member.role).fit(
                windows[mine],
                Targets(seen.labels[mine], smoothing=config.smoothing),
                recipes[member.role],
                member.seed(seed),
                lambda count: advance(count * COSTS[member.role]),
                saved.of(member.name) if saved else None,
            )
            return answering(model)

        networks, everyone = members(config), np.ones(len(seen), bool)
        if len(networks) == 1:
            return Teacher((fit(networks[0], everyone),), taps=self._taps, epochs=recipe.epochs)
        if config.teacher_name != ENSEMBLE:
            models = [self._copied(member.role, fit(member, everyone)) for member in networks]
            return Teacher(tuple(models), epochs=recipe.epochs)
        models, unseen_by = [], np.empty(len(seen), np.int64)
        folds = inner_folds([str(animal) for animal in seen.animals], ENSEMBLE_PARTS)
        for number, (member, fold) in enumerate(zip(networks, folds)):
            mine = np.isin(seen.animals, fold.train_animals)
            models.append(self._copied(member.role, fit(member, mine)))
            unseen_by[~mine] = number
        return Teacher(tuple(models), unseen_by, epochs=recipe.epochs)

    def with_frequency(self, weight: float) -> Classroom:
        """Return this classroom, compiled models included, at another weight of SMLDist's spectral term."""
        return replace(self, config=replace(self.config, frequency=weight, choose_frequency=False))

    def taught_student(
        self,
        teacher: Optional[Teacher],
        soft: Optional[FloatArray],
        seen: Windows,
        windows: FloatArray,
        recipe: Recipe,
        seed: int,
        advance: Advance,
        saved: Checkpoints,
        fit: str = "distilled",
    ) -> keras.Model:
        """Return the student that the options' method makes, on standardised windows; fit: its checkpoint."""
        config = self.config
        method = METHODS[config.method]
        targets = Targets(seen.labels, None, config.softness, config.mixing, config.smoothing)
        if teacher is None:
            return self.trainer("student").fit(
                windows, replace(targets, mixing=0.0), recipe, seed, advance, saved.of(fit)
            )
        trainer = self._pupil_trainer(teacher)
        targets = replace(targets, teacher=lambda names: self._believed(teacher.listener(names), seen.labels))
        if method.uses_soft_labels:
            assert soft is not None
            targets = replace(targets, soft=self._gated(soft, seen.labels))
        pupil = trainer.fit(
            windows,
            targets,
            recipe,
            seed,
            advance,
            saved.of(fit),
            lambda model: method.begin(model, teacher, config),
        )
        if pupil is self.trainer("student").model:
            return pupil
        student = self._build("student", np.ones(self.channels("student")))
        for layer in student.layers:
            layer.set_weights(pupil.get_layer(layer.name).get_weights())
        return student

    def _searched(
        self,
        student: keras.Model,
        teacher: Optional[Teacher],
        soft: Optional[FloatArray],
        seen: Windows,
        view: View,
        recipe: Recipe,
        seed: int,
        advance: Advance,
        saved: Checkpoints,
    ) -> Searched:
        """Search the classifier of a student on counts, with a student for each inner fold taught likewise.

        An inner student learns from the inner fold's training animals only; the teacher is that of all.
        """
        windows, inner = view.show(seen), []
        for number, fold in enumerate(inner_folds([str(animal) for animal in seen.animals])):
            mine = np.isin(seen.animals, fold.train_animals)
            one = self.taught_student(
                None if teacher is None else teacher.about(mine),
                None if soft is None else soft[mine],
                seen.take(mine),
                windows[mine],
                recipe,
                seed,
                advance,
                saved,
                f"inner{number}",
            )
            inner.append(student_weights(self.on_counts("student", one, view.scale)))
        return search_head(student_weights(student), inner, seen, self.config, seed, advance)

    def _pupil_trainer(self, teacher: Teacher) -> Trainer:
        method = METHODS[self.config.method]
        steps = self._shape("student").steps
        phases = student_phases(method, self.config, steps)
        if phases == self.trainer("student").phases:
            return self.trainer("student")  # compiled once for plain and distilled
        # The weight of a term is compiled in; of all that decides a pupil's losses it alone changes in here.
        name = f"pupil {self.config.frequency}"
        if name not in self._trainers:
            kind = self._kind("student")
            moments = np.zeros(self.channels("student")), np.ones(self.channels("student"))

            make = kind.twin if kind.twin and method.looks_inside else kind.build

            def build() -> keras.Model:
                student = make(self._trained_shape("student"), self.config, *moments)
                return method.pupil(student, teacher.model, self.config)

            steady = kind.usual_pace(steps).steady
            self._trainers[name] = Trainer(build, compiled=kind.compiled, phases=phases, steady=steady)
        return self._trainers[name]

    def _gated(self, answers: FloatArray, labels: NDArray[np.int64]) -> FloatArray:
        """Return a teacher's logits (n, K), the right class in place of those that are wrong if so asked."""
        if not self.config.gate:
            return answers
        certain = np.eye(answers.shape[1], dtype=np.float32)[labels] * CERTAIN * self.config.softness
        right = answers.argmax(axis=1) == labels
        return np.where(right[:, None], answers, certain).astype(np.float32)

    def _believed(self, listener: Listener, labels: NDArray[np.int64]) -> Listener:
        if not self.config.gate:
            return listener

        def answer(windows: FloatArray, index: NDArray[np.int64]) -> dict[str, FloatArray]:
            return {
                name: self._gated(answer, labels[index]) if name.endswith("logits") else answer
                for name, answer in listener(windows, index).items()
            }

        return answer

    def _ship(
        self,
        lesson: Lesson,
        teacher: Optional[Teacher],
        student: keras.Model,
        view: View,
        seen: Windows,
        soft: Optional[FloatArray],
    ) -> None:
        models = {STUDENT: student}
        if teacher is not None:
            scales = {"teacher": view.scales, "student": view.scales[: view.channels]}
            networks = zip(members(self.config), teacher.models)
            models[TEACHER] = Teacher(
                tuple(self._copied(member.role, model, scales[member.role]) for member, model in networks)
            ).together
        digests = {}
        for name, model in models.items():
            with replacing(lesson.path / name) as temporary:
                model.save(temporary)
            digests[f"{name.partition('.')[0]}_sha256"] = np.array(sha256_file(lesson.path / name))
        answers = {} if soft is None else {"logits": soft}
        # Written last: its key and digests vouch for the models.
        with replacing(lesson.path / SOFT_LABELS) as temporary:
            np.savez(
                temporary,
                key=np.array(lesson.key),
                labels=seen.labels,
                animals=seen.animals,
                classes=np.array(seen.classes),
                **answers,
                **digests,
            )

    def trainer(self, role: str) -> Trainer:
        """Return this process's trainer of the "teacher", the "student" or the baseline "filter_mlp"."""
        if role not in self._trainers:
            kind, channels = self._kind(role), self.channels(role)
            steps = self._shape(role).steps
            build = kind.build if kind.phases == (LABELS,) else kind.twin or kind.build
            # Training sees standardised windows, so that one compiled step serves every fold's scale.
            self._trainers[role] = Trainer(
                lambda: build(self._trained_shape(role), self.config, np.zeros(channels), np.ones(channels)),
                compiled=kind.compiled,
                phases=fit_phases(kind, kind.phases, steps),
                steady=kind.usual_pace(steps).steady,
            )
        return self._trainers[role]

    def on_counts(self, role: str, trained: keras.Model, scale: float) -> keras.Model:
        """Return a copy of a model trained on standardised windows that takes raw counts."""
        return self._copied(role, trained, np.full(self.channels(role), scale))

    def _copied(
        self, role: str, trained: keras.Model, scales: Optional[NDArray[np.float64]] = None
    ) -> keras.Model:
        model = self._build(role, np.ones(self.channels(role)) if scales is None else scales)
        model.set_weights(trained.get_weights())
        return model

    def _build(self, role: str, scales: NDArray[np.float64]) -> keras.Model:
        zero = np.zeros(len(scales))
        return self._kind(role).build(self._shape(role), self.config, zero, np.square(scales))

    def _kind(self, role: str) -> Kind:
        if role == "filter_mlp":
            return STUDENTS["filter-mlp"]
        return STUDENTS[self.config.student] if role == "student" else teacher_kind(self.config)

    def _shape(self, role: str) -> Shape:
        steps = self.training.counts.shape[1]
        return Shape(steps, self.channels(role), len(self.training.classes))

    def _trained_shape(self, role: str) -> Shape:
        return self._shape(role)._replace(steps=0) if self._kind(role).grows else self._shape(role)

    def channels(self, role: str) -> int:
        """Return how many channels the "teacher" or the "student" is shown."""
        return channels_of(self.training, self.config) if role == "teacher" else self.training.counts.shape[2]

    def _weights(self, student: keras.Model, view: View, prefix: str) -> dict[str, Any]:
        return weights_of(self.on_counts("student", student, view.scale)).arrays(prefix)
