"""Methods of distillation: what each declares, and that it trains what it says on whom it may."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.distill.augment import Augmenter
from mcukd.distill.checkpoint import Checkpoints
from mcukd.distill.choice import Choice
from mcukd.distill.choosing import choose_frequency
from mcukd.distill.classroom import Classroom
from mcukd.distill.config import DistillConfig
from mcukd.distill.lesson import Lesson
from mcukd.distill.methods import METHODS
from mcukd.distill.methods.smldist import ANCHORS, SmlDist, _features_loss, _teacher_target
from mcukd.distill.phases import Signals
from mcukd.distill.plan import ENSEMBLE_PARTS, frequencies, raising_work
from mcukd.distill.recipes import augmentation
from mcukd.distill.teachers import Teacher
from mcukd.distill.view import View
from mcukd.errors import UserError

CONFIG = DistillConfig(
    epochs=2, teacher_epochs=1, teacher_width=2, gru_units=4, dense_units=4, mounting="any"
)
ANIMALS = ("a", "b", "c", "d", "e")


def herd(per_animal: int = 40) -> Windows:
    """Five animals, three behaviours told apart by their amplitude."""
    rng = np.random.default_rng(0)
    count = per_animal * len(ANIMALS)
    labels = np.arange(count) % 3
    waves = (100 + 400 * labels[:, None, None]) * rng.normal(size=(count, 32, 3))
    return Windows(
        counts=(waves + np.array([0, 0, 2000])).astype(np.int16),
        labels=labels,
        animals=np.repeat(ANIMALS, per_animal),
        segments=np.arange(count),
        classes=("x", "y", "z"),
        rate_hz=10.0,
        counts_per_g=2000.0,
        card="herd",
        simulated=True,
    )


def lesson(tmp_path, key: str = "key") -> Lesson:
    return Lesson("e-s3", 3, ANIMALS[:4], ANIMALS[4:], tmp_path / "evaluation" / "e-s3.npz", key)


@pytest.mark.parametrize(
    ("method", "student"),
    [
        pytest.param("smldist", "gru-mlp", marks=pytest.mark.slow),
        ("same-view", "filter-mlp"),
        ("mixed-view", "filter-mlp"),
        ("none", "filter-mlp"),
    ],
)
def test_a_method_teaches_a_student(tmp_path, method, student):
    windows = herd()
    config = replace(CONFIG, method=method, student=student)
    task = lesson(tmp_path)
    shown = 0

    def advance(count: int) -> None:
        nonlocal shown
        shown += count

    Classroom(windows, windows, config).teach(task, advance)
    with np.load(task.path) as fold:
        names = set(fold.files)
        assert np.isfinite(fold["student_logits"]).all() and fold["student_logits"].shape == (40, 3)
        assert ("student_distilled_logits" in names) == (method != "none") == ("teacher_logits" in names)
        if method != "none":
            assert not np.array_equal(fold["student_logits"], fold["student_distilled_logits"])
            kept = {name.partition("__")[2] for name in names if name.startswith("student_distilled__")}
            plain = {name.partition("__")[2] for name in names if name.startswith("student__")}
            assert kept == plain, "what only training needed has gone"
    assert not task.scratch.exists()
    assert shown == task.work(windows, config)


def test_extra_channels_turn_with_the_acceleration_and_one_scale_serves_a_vector():
    windows = herd()
    doubled = windows.counts.astype(np.float32) * 2
    windows = replace(windows, extra=doubled, extra_names=("gx", "gy", "gz"), extra_vectors=(0,))
    config = replace(CONFIG, method="tsak", teacher_sensors="all", mounting="turned")
    view = View.of(windows, config)
    shown = view.show(windows)
    np.testing.assert_allclose(shown[..., 3:], shown[..., :3], rtol=1e-5)
    augment = Augmenter(shown, augmentation(config, windows.extra_vectors))
    turned = augment(shown, np.random.default_rng(0))
    assert np.abs(turned[..., :3] - shown[..., :3]).max() > 0.5
    np.testing.assert_allclose(turned[..., 3:], turned[..., :3], rtol=1e-4, atol=1e-5)


def test_a_teacher_with_more_sensors_is_shown_them_and_the_student_is_not(tmp_path):
    windows = herd()
    extra = np.random.default_rng(5).normal(size=(*windows.counts.shape[:2], 2)).astype(np.float32)
    windows = replace(windows, extra=extra, extra_names=("p", "q"))
    config = replace(CONFIG, method="tsak", teacher_sensors="all", student="filter-mlp")
    room = Classroom(windows, windows, config)
    room.teach(lesson(tmp_path))
    assert room.trainer("teacher").model.input_shape == (None, 32, 5)
    assert room.trainer("student").model.input_shape == (None, 32, 3)
    with np.load(tmp_path / "evaluation" / "e-s3.npz") as fold:
        assert np.isfinite(fold["student_distilled_logits"]).all()


def test_every_method_can_be_asked_for_and_names_what_it_works_with():
    for name, method in METHODS.items():
        assert method.name == name and method.title
        for student in method.students:
            for teacher in method.teachers or (None,):
                config = DistillConfig(method=name, student=student, teacher=teacher)
                assert len(method.phases(config)) >= 1
        for part in method.parts:
            assert not DistillConfig(method=name, without=part).uses(part)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "softlabels"}, "did you mean 'soft-labels'"),
        ({"method": "smldist", "teacher": "resnet"}, "works with mobilenet"),
        ({"method": "none", "teacher": "resnet"}, "no teacher"),
        ({"method": "smldist", "without": "stages"}, "did you mean 'stage'"),
        ({"without": "stage"}, "has no parts"),
        ({"method": "mixed-view", "gate": True}, "without a label"),
        ({"method": "mixed-view", "teacher": "ensemble"}, "works with resnet"),
        ({"choose_frequency": True}, "none with --method soft-labels --student gru-mlp"),
        ({"method": "smldist", "without": "stage", "choose_frequency": True}, "--without stage"),
        ({"method": "smldist", "student": "filter-mlp", "choose_frequency": True}, "--student filter-mlp"),
        ({"method": "smldist", "frequency": 0, "choose_frequency": True}, "--frequency 0"),
        ({"smoothing": 1.0}, "--smoothing is 1.0"),
        ({"teacher_sensors": "gps"}, "--teacher-sensors"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(options, words):
    with pytest.raises(UserError, match=words):
        DistillConfig(**options)


def _signals(ours: np.ndarray, theirs: np.ndarray) -> Signals:
    empty = np.zeros((len(theirs), 2), np.float32)
    return Signals({"anchor1": ours}, {"anchor1": theirs}, empty, empty, 1.0, 0.5)


def test_the_spectral_term_forgives_a_delay_and_the_temporal_does_not():
    features = np.random.default_rng(1).normal(size=(5, 12, 3)).astype(np.float32)
    late = np.roll(features, 2, axis=1)
    same = float(_features_loss(_signals(features, features), ("anchor1",), 1.0))
    assert same == pytest.approx(0, abs=1e-6)
    temporal = float(_features_loss(_signals(late, features), ("anchor1",), 0.0))
    both = float(_features_loss(_signals(late, features), ("anchor1",), 100.0))
    assert temporal > 0.5 and both == pytest.approx(temporal, rel=1e-3)


def test_a_silent_feature_does_not_break_the_slope_of_the_spectrum():
    import tensorflow as tf

    ours = tf.Variable(np.zeros((2, 8, 3), np.float32))
    with tf.GradientTape() as tape:
        loss = _features_loss(_signals(ours, np.ones((2, 8, 3), np.float32)), ("anchor1",), 1.0)
    assert np.isfinite(np.asarray(tape.gradient(loss, ours))).all()


def test_a_wrong_teacher_is_replaced_by_the_label_and_its_logits_are_softened_once():
    logits = np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]], np.float32)
    hard = np.eye(3, dtype=np.float32)[[0, 2]]
    target = np.asarray(_teacher_target(logits, hard))
    e = np.exp([1.0, 0.0, 0.0])
    np.testing.assert_allclose(target[0], e / e.sum(), rtol=1e-6)
    np.testing.assert_array_equal(target[1], hard[1])


def test_a_stage_changes_its_own_layers_only():
    from mcukd.models.mobilenet import build_mobilenet

    config = replace(CONFIG, method="smldist", student="mobilenet")
    pupil = build_mobilenet(32, 3, 3, np.zeros(3), np.ones(3), slim=True, head="memory")
    phases = SmlDist().phases(config)
    assert [phase.hears for phase in phases] == [(name,) for name in ANCHORS] + [("logits",)]
    trained = [phase.trains(pupil) for phase in phases[:-1]]
    everything = [id(v) for part in trained for v in part]
    assert len(everything) == len(set(everything)) < len(pupil.trainable_variables)
    assert sum(phase.share for phase in phases[:-1]) == pytest.approx(0.5)


def test_an_ensemble_never_answers_about_a_window_whose_label_a_member_saw(monkeypatch):
    asked: list[tuple[int, np.ndarray]] = []

    class Member:
        output_shape = (None, 2)

    def answer(self, number, windows):
        asked.append((number, windows[:, 0, 0]))
        return np.full((len(windows), 2), number, np.float32)

    monkeypatch.setattr(Teacher, "_answer", answer)
    unseen_by = np.array([0, 1, 1, 2, 0])
    teacher = Teacher((Member(), Member(), Member()), unseen_by)  # type: ignore[arg-type]
    index = np.array([4, 3, 1, 2])
    windows = np.tile(index[:, None, None], (1, 6, 3)).astype(np.float32)
    answers = teacher.listener(("logits",))(windows, index)["logits"]
    np.testing.assert_array_equal(answers[:, 0], unseen_by[index])
    for number, windows_seen in asked:
        assert (unseen_by[windows_seen.astype(int)] == number).all()


def test_an_ensemble_is_trained_on_inner_animals_and_kept_as_one_model(tmp_path):
    import keras

    windows = herd()
    config = replace(CONFIG, teacher="ensemble", student="filter-mlp")
    room = Classroom(windows, windows, config)
    shown = windows.counts.astype(np.float32) / 1000
    teacher = room.raise_teacher(windows, shown, seed=1)
    assert teacher is not None and len(teacher.models) == ENSEMBLE_PARTS
    by_animal = {animal: set(teacher.unseen_by[windows.animals == animal]) for animal in ANIMALS}
    assert all(len(numbers) == 1 for numbers in by_animal.values())
    teacher.together.save(tmp_path / "teacher.keras")
    again = keras.models.load_model(tmp_path / "teacher.keras")
    np.testing.assert_allclose(np.asarray(again(shown[:9])), teacher.logits(shown[:9]), atol=1e-5)


def test_a_committee_has_members_of_two_kinds_that_differ_by_chance_and_is_kept_as_one_model(tmp_path):
    import keras

    windows = herd()
    config = replace(CONFIG, method="mixed-view", teacher="committee", student="filter-mlp")
    room = Classroom(windows, windows, config)
    shown = windows.counts.astype(np.float32) / 1000
    done: list[int] = []
    teacher = room.raise_teacher(windows, shown, seed=1, advance=done.append)
    assert teacher is not None and teacher.unseen_by is None
    assert [model.name for model in teacher.models] == ["teacher"] * 3 + ["filter_mlp"] * 4
    assert sum(done) == raising_work(windows, config)
    answers = [np.asarray(model(shown[:9], training=False)) for model in teacher.models]
    for one, other in itertools.combinations(answers, 2):
        assert not np.allclose(one, other)
    for number, own in enumerate(answers):
        np.testing.assert_allclose(teacher._answer(number, shown[:9]), own, atol=1e-5)
    np.testing.assert_allclose(teacher.logits(shown[:9]), np.mean(answers, axis=0), atol=1e-5)
    heard = teacher.listener(("logits",))(shown[:9], np.arange(9))
    np.testing.assert_array_equal(heard["logits"], teacher.logits(shown[:9]))
    teacher.together.save(tmp_path / "teacher.keras")
    again = keras.models.load_model(tmp_path / "teacher.keras")
    np.testing.assert_allclose(np.asarray(again(shown[:9])), teacher.logits(shown[:9]), atol=1e-5)


def test_a_teacher_s_passes_are_chosen_on_inner_animals(tmp_path, monkeypatch):
    asked = []

    def choose(candidates, seen, predict):
        asked.append(([one.epochs for one in candidates], set(seen.animals)))
        inner, unseen = (seen.take(np.isin(seen.animals, names)) for names in (["a", "b"], ["c", "d"]))
        assert predict(candidates[0], inner, unseen).shape == (len(unseen),)
        return Choice(candidates[2], (0.0, 0.0, 1.0))

    monkeypatch.setattr("mcukd.distill.choosing.choose", choose)
    config = replace(CONFIG, method="same-view", teacher="tsak", student="filter-mlp", teacher_epochs=2)
    config = replace(config, choose_teacher_epochs=True)
    windows, task = herd(), lesson(tmp_path)
    Classroom(windows, windows, config).teach(task)
    assert asked == [([1, 2, 4], set(ANIMALS[:4]))]
    with np.load(task.path) as fold:
        assert fold["teacher_epochs"] == 4 and fold["epochs"] == config.epochs
    fixed = replace(config, choose_teacher_epochs=False)
    assert task.work(windows, config) > task.work(windows, fixed)
    assert config.options()["choose_teacher_epochs"] and "choose_teacher_epochs" not in fixed.options()


class RoomOfFakes:
    """Teaches students that are right as often as the weight they were taught at is near .1."""

    def __init__(self, config: DistillConfig, taught: list[tuple[float, frozenset[str]]]) -> None:
        self.config, self.taught = config, taught

    def with_frequency(self, weight: float) -> RoomOfFakes:
        return RoomOfFakes(replace(self.config, frequency=weight, choose_frequency=False), self.taught)

    def taught_student(self, teacher, soft, seen, windows, recipe, seed, advance, saved, fit):
        assert teacher.unseen_by.tolist() == [0] * len(seen) and len(soft) == len(windows) == len(seen)
        saved.of(fit)
        self.taught.append((self.config.frequency, frozenset(seen.animals)))
        right = 1 - abs(self.config.frequency - 0.1)

        def student(shown, training):
            spread = np.abs(shown).mean(axis=(1, 2)) * right
            return np.stack([-np.abs(spread - level) for level in LEVELS], axis=1)

        return student


#: Mean size of the herd's standardised samples by behaviour, about.
LEVELS = (0.55, 0.72, 0.88)


def test_the_spectral_term_s_weight_is_chosen_by_students_of_inner_animals(tmp_path):
    windows = herd()
    seen = windows.take(np.isin(windows.animals, ANIMALS[:4]))
    config = DistillConfig(method="smldist", choose_frequency=True)
    taught: list[tuple[float, frozenset[str]]] = []
    room = RoomOfFakes(config, taught)
    teacher = Teacher((), unseen_by=np.zeros(len(seen), np.int64))
    soft = np.zeros((len(seen), 3), np.float32)
    saved = Checkpoints(tmp_path, "key")
    weight = choose_frequency(room, teacher, soft, seen, None, 0, lambda units: None, saved)
    assert weight == 0.1
    assert frequencies(config) == (0.0, 0.1, 0.3, 0.9)
    assert [one for one, _ in taught] == [0.0] * 3 + [0.1] * 3 + [0.3] * 3 + [0.9] * 3
    inner = {frozenset(fold.train_animals) for fold in inner_folds(ANIMALS[:4])}
    assert {animals for _, animals in taught} == inner


def test_a_weight_of_the_spectral_term_is_of_its_pupil_only():
    room = Classroom(herd(), herd(), DistillConfig(method="smldist", choose_frequency=True))
    other = room.with_frequency(0.1)
    assert other.config.frequency == 0.1 and not other.config.choose_frequency
    assert room.config.frequency == 0.3 and other._trainers is room._trainers


@pytest.mark.slow
def test_a_lesson_is_taught_at_the_weight_that_it_chose(tmp_path):
    windows, task, shown = herd(), lesson(tmp_path), 0
    config = replace(CONFIG, method="smldist", choose_frequency=True)

    def advance(count: int) -> None:
        nonlocal shown
        shown += count

    room = Classroom(windows, windows, config)
    room.teach(task, advance)
    assert shown == task.work(windows, config)
    with np.load(task.path) as fold:
        chosen = float(fold["frequency"])
        assert chosen in frequencies(config)
        given = fold["student_distilled_logits"]
    fixed, again = replace(config, choose_frequency=False, frequency=chosen), lesson(tmp_path / "fixed")
    Classroom(windows, windows, fixed).teach(again)
    with np.load(again.path) as fold:
        assert "frequency" not in fold.files
        np.testing.assert_array_equal(fold["student_distilled_logits"], given)


def test_a_committee_s_students_see_their_own_sensors_only(tmp_path):
    import keras

    from mcukd.models.filter_mlp import build_filter_mlp
    from mcukd.models.resnet import build_resnet

    windows = np.random.default_rng(0).normal(size=(4, 32, 6)).astype(np.float32)
    few, all_of_them = (np.zeros(n) for n in (3, 6))
    members = (
        build_resnet(32, 6, 3, all_of_them, all_of_them + 1, 2),
        build_filter_mlp(32, 3, 3, few, few + 1),
    )
    teacher = Teacher(members)
    wanted = (np.asarray(members[0](windows)) + np.asarray(members[1](windows[..., :3]))) / 2
    np.testing.assert_allclose(teacher.logits(windows), wanted, atol=1e-5)
    teacher.together.save(tmp_path / "teacher.keras")
    again = keras.models.load_model(tmp_path / "teacher.keras")
    np.testing.assert_allclose(np.asarray(again(windows)), wanted, atol=1e-5)


def test_a_gated_teacher_is_believed_only_where_it_is_right():
    room = Classroom(herd(), herd(), replace(CONFIG, gate=True, temperature=2.0))
    answers = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]], np.float32)
    gated = room._gated(answers, np.array([0, 2]))
    np.testing.assert_array_equal(gated[0], answers[0])
    chances = np.exp(gated[1] / 2.0) / np.exp(gated[1] / 2.0).sum()
    assert chances[2] > 0.999
