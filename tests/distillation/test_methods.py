"""Distillation methods: their declarations, their training, and the students and teachers they accept."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builders.training import ANIMALS, CompiledOnce, herd, job
from scipy.special import softmax

from mcukd.data.folds import inner_folds
from mcukd.data.windows import Windows
from mcukd.distillation.architectures import STUDENTS
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.forest import fit_forest
from mcukd.distillation.hyperparameters import choose_options
from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.smldist import ANCHORS, SmlDist, features_loss, teacher_target
from mcukd.distillation.nested_selection import Selection
from mcukd.distillation.plan import ENSEMBLE_PARTS, progress_units, teacher_fits
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_configs import augmentation
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.distillation.workers import FoldTraining
from mcukd.errors import UserError
from mcukd.training.augmentation import Augmenter
from mcukd.training.losses import LossInputs
from mcukd.training.normalization import Normalizer

CONFIG = DistillConfig(
    epochs=2, teacher_epochs=1, teacher_width=2, gru_units=4, dense_units=4, mounting="any"
)


def thousandths(windows: Windows) -> TrainingSet:
    """The windows as inputs in thousands of counts."""
    return TrainingSet(windows, windows.counts.astype(np.float32) / 1000, Normalizer(3, np.full(3, 1000.0)))


@pytest.mark.parametrize(
    ("method", "student"),
    [
        pytest.param("smldist", "gru-mlp", marks=pytest.mark.slow),
        ("online", "filter-mlp"),
        ("function-matching", "filter-mlp"),
        ("none", "filter-mlp"),
    ],
)
def test_a_method_trains_a_student(tmp_path, method, student):
    windows = herd()
    config = replace(CONFIG, method=method, student=student)
    task = job(tmp_path)
    shown = 0

    def advance(count: int) -> None:
        nonlocal shown
        shown += count

    CompiledOnce(windows, windows, config).train_fold(task, advance)
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
    assert shown == FoldTraining(task).work(windows, config)


def test_extra_channels_turn_with_the_acceleration_and_one_scale_serves_a_vector():
    windows = herd()
    doubled = windows.counts.astype(np.float32) * 2
    windows = replace(windows, extra=doubled, extra_names=("gx", "gy", "gz"), extra_vectors=(0,))
    config = replace(CONFIG, method="tsak", teacher_sensors="all", mounting="turned")
    normalizer = Normalizer.fit(windows, extra=config.uses_extra_channels)
    shown = normalizer.transform(windows)
    np.testing.assert_allclose(shown[..., 3:], shown[..., :3], rtol=1e-5)
    augment = Augmenter(shown, augmentation(config, windows.extra_vectors))
    turned = augment(shown, np.random.default_rng(0))
    assert np.abs(turned[..., :3] - shown[..., :3]).max() > 0.5
    np.testing.assert_allclose(turned[..., 3:], turned[..., :3], rtol=1e-4, atol=1e-5)


def test_extra_channels_are_inputs_of_the_teacher_and_not_of_the_student(tmp_path):
    windows = herd()
    extra = np.random.default_rng(5).normal(size=(*windows.counts.shape[:2], 2)).astype(np.float32)
    windows = replace(windows, extra=extra, extra_names=("p", "q"))
    config = replace(CONFIG, method="tsak", teacher_sensors="all", student="filter-mlp")
    trainer = CompiledOnce(windows, windows, config)
    trainer.train_fold(job(tmp_path))
    assert trainer.trainer("teacher").model.input_shape == (None, 32, 5)
    assert trainer.trainer("student").model.input_shape == (None, 32, 3)
    with np.load(tmp_path / "evaluation" / "e-s3.npz") as fold:
        assert np.isfinite(fold["student_distilled_logits"]).all()


def test_every_method_can_be_asked_for_and_names_what_it_works_with():
    for name, method in METHODS.items():
        assert method.name == name and method.title
        for student in method.students or STUDENTS:
            for teacher in method.teachers or (None,):
                config = DistillConfig(method=name, student=student, teacher=teacher)
                assert len(method.phases(config.method_settings)) >= 1
        for part in method.parts:
            assert not DistillConfig(method=name, ablate=part).method_settings.uses(part)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "softlabels"}, "did you mean 'soft-labels'"),
        ({"method": "smldist", "teacher": "resnet"}, "works with mobilenet"),
        ({"method": "none", "teacher": "resnet"}, "no teacher"),
        ({"method": "smldist", "ablate": "stages"}, "did you mean 'stage'"),
        ({"ablate": "stage"}, "has no parts"),
        ({"method": "function-matching", "correct_teacher": True}, "without a label"),
        ({"method": "function-matching", "teacher": "ensemble"}, "works with resnet"),
        ({"choose_spectral_weight": True}, "none with --method soft-labels --student gru-mlp"),
        ({"method": "smldist", "ablate": "stage", "choose_spectral_weight": True}, "--ablate stage"),
        (
            {"method": "smldist", "student": "filter-mlp", "choose_spectral_weight": True},
            "--student filter-mlp",
        ),
        (
            {"method": "smldist", "spectral_weight": 0, "choose_spectral_weight": True},
            "--spectral-weight 0",
        ),
        ({"spectral_weight": 101}, "--spectral-weight is 101, expected 0 to 100"),
        ({"alpha": 0.5, "mixing": 0.5}, "--mixing is the earlier spelling of --alpha"),
        ({"smoothing": 1.0}, "--smoothing is 1.0"),
        ({"teacher_sensors": "gps"}, "--teacher-sensors"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(options, words):
    with pytest.raises(UserError, match=words):
        DistillConfig.of(options)


def _loss_inputs(ours: np.ndarray, theirs: np.ndarray) -> LossInputs:
    empty = np.zeros((len(theirs), 2), np.float32)
    return LossInputs({"anchor1": ours}, {"anchor1": theirs}, empty, empty, 1.0, 0.5)


def test_the_spectral_term_forgives_a_delay_and_the_temporal_does_not():
    features = np.random.default_rng(1).normal(size=(5, 12, 3)).astype(np.float32)
    late = np.roll(features, 2, axis=1)
    same = float(features_loss(_loss_inputs(features, features), ("anchor1",), 1.0))
    assert same == pytest.approx(0, abs=1e-6)
    temporal = float(features_loss(_loss_inputs(late, features), ("anchor1",), 0.0))
    both = float(features_loss(_loss_inputs(late, features), ("anchor1",), 100.0))
    assert temporal > 0.5 and both == pytest.approx(temporal, rel=1e-3)


def test_a_silent_feature_does_not_break_the_slope_of_the_spectrum():
    import tensorflow as tf

    ours = tf.Variable(np.zeros((2, 8, 3), np.float32))
    with tf.GradientTape() as tape:
        loss = features_loss(_loss_inputs(ours, np.ones((2, 8, 3), np.float32)), ("anchor1",), 1.0)
    assert np.isfinite(np.asarray(tape.gradient(loss, ours))).all()


def test_a_wrong_teacher_is_replaced_by_the_label_and_its_logits_are_softened_once():
    logits = np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]], np.float32)
    hard = np.eye(3, dtype=np.float32)[[0, 2]]
    target = np.asarray(teacher_target(logits, hard))
    e = np.exp([1.0, 0.0, 0.0])
    np.testing.assert_allclose(target[0], e / e.sum(), rtol=1e-6)
    np.testing.assert_array_equal(target[1], hard[1])


def test_a_stage_changes_its_own_layers_only():
    from mcukd.models.mobilenet import build_mobilenet

    config = replace(CONFIG, method="smldist", student="mobilenet")
    student = build_mobilenet(32, 3, 3, np.zeros(3), np.ones(3), slim=True, head="memory")
    phases = SmlDist().phases(config.method_settings)
    assert [phase.teacher_outputs for phase in phases] == [(name,) for name in ANCHORS] + [("logits",)]
    trained = [phase.trains(student) for phase in phases[:-1]]
    everything = [id(v) for part in trained for v in part]
    assert len(everything) == len(set(everything)) < len(student.trainable_variables)
    assert sum(phase.epoch_fraction for phase in phases[:-1]) == pytest.approx(0.5)


def test_no_member_of_an_ensemble_labels_a_window_it_was_trained_on(monkeypatch):
    asked: list[tuple[int, np.ndarray]] = []

    class Member:
        output_shape = (None, 2)

    def answer(self, number, windows):
        asked.append((number, windows[:, 0, 0]))
        return np.full((len(windows), 2), number, np.float32)

    monkeypatch.setattr(Teacher, "logits_of", answer)
    out_of_fold_model = np.array([0, 1, 1, 2, 0])
    teacher = Teacher((Member(), Member(), Member()), out_of_fold_model)  # type: ignore[arg-type]
    index = np.array([4, 3, 1, 2])
    windows = np.tile(index[:, None, None], (1, 6, 3)).astype(np.float32)
    answers = teacher.outputs_fn(("logits",))(windows, index)["logits"]
    np.testing.assert_array_equal(answers[:, 0], out_of_fold_model[index])
    for number, windows_seen in asked:
        assert (out_of_fold_model[windows_seen.astype(int)] == number).all()


def test_an_ensemble_is_trained_on_inner_animals_and_kept_as_one_model(tmp_path):
    import keras

    windows = herd()
    config = replace(CONFIG, teacher="ensemble", student="filter-mlp")
    trainer = CompiledOnce(windows, windows, config)
    data = thousandths(windows)
    shown = data.inputs
    teacher = trainer.train_teacher(data, FitContext(1))
    assert teacher is not None and len(teacher.models) == ENSEMBLE_PARTS
    by_animal = {animal: set(teacher.out_of_fold_model[windows.animals == animal]) for animal in ANIMALS}
    assert all(len(numbers) == 1 for numbers in by_animal.values())
    teacher.as_single_model.save(tmp_path / "teacher.keras")
    again = keras.models.load_model(tmp_path / "teacher.keras")
    np.testing.assert_allclose(np.asarray(again(shown[:9])), teacher.logits(shown[:9]), atol=1e-5)


def test_a_mixed_ensemble_has_members_of_two_kinds_that_differ_by_chance_and_is_kept_as_one_model(tmp_path):
    import keras

    windows = herd()
    config = replace(CONFIG, method="function-matching", teacher="mixed-ensemble", student="filter-mlp")
    trainer = CompiledOnce(windows, windows, config)
    data = thousandths(windows)
    shown = data.inputs
    done: list[int] = []
    teacher = trainer.train_teacher(data, FitContext(1, done.append))
    assert teacher is not None and teacher.out_of_fold_model is None
    assert [model.name for model in teacher.models] == ["teacher"] * 3 + ["filter_mlp"] * 4
    assert sum(done) == progress_units(teacher_fits(config, windows.animals)) == progress_units(7)
    answers = [np.asarray(model(shown[:9], training=False)) for model in teacher.models]
    for one, other in itertools.combinations(answers, 2):
        assert not np.allclose(one, other)
    for number, own in enumerate(answers):
        np.testing.assert_allclose(teacher.logits_of(number, shown[:9]), own, atol=1e-5)
    np.testing.assert_allclose(teacher.logits(shown[:9]), np.mean(answers, axis=0), atol=1e-5)
    heard = teacher.outputs_fn(("logits",))(shown[:9], np.arange(9))
    np.testing.assert_array_equal(heard["logits"], teacher.logits(shown[:9]))
    teacher.as_single_model.save(tmp_path / "teacher.keras")
    again = keras.models.load_model(tmp_path / "teacher.keras")
    np.testing.assert_allclose(np.asarray(again(shown[:9])), teacher.logits(shown[:9]), atol=1e-5)


def test_a_forest_ensemble_averages_the_probabilities_of_its_networks_and_of_a_forest(monkeypatch):
    monkeypatch.setattr("mcukd.distillation.forest.TREES", 8)
    windows = herd()
    config = replace(CONFIG, method="function-matching", teacher="forest-ensemble", student="filter-mlp")
    data = TrainingSet.normalized(windows, config)
    trainer = CompiledOnce(windows, windows, config)
    teacher = trainer.train_teacher(data, FitContext(1))
    assert teacher is not None and len(teacher.models) == 7 and teacher.forest is not None
    networks = replace(teacher, forest=None).logits(data.inputs[:9])
    trees = fit_forest(windows, config, 1).probabilities(windows.counts[:9])
    assert trees.sum(axis=1) == pytest.approx(np.ones(9))
    expected = (trees + softmax(networks, axis=1)) / 2
    found = teacher.outputs_fn(("logits",))(data.inputs[:9], np.arange(9))["logits"]
    np.testing.assert_allclose(np.exp(found), expected, atol=1e-4)
    # A student of a later round joins the networks; the forest keeps its half.
    more = teacher.with_model(teacher.models[0]).with_new_windows(3)
    assert more.forest is teacher.forest and more.scale == data.normalizer.scale
    # A forest that never saw a class leaves it to the networks.
    few = windows.take(windows.labels != 2)
    alone = fit_forest(few, config, 1)
    assert not alone.probabilities(windows.counts[:9])[:, 2].any()


def test_a_forest_reads_the_accelerometer_alone_where_the_networks_have_more_sensors(monkeypatch):
    monkeypatch.setattr("mcukd.distillation.forest.TREES", 8)
    windows = herd()
    extra = np.random.default_rng(5).normal(size=(*windows.counts.shape[:2], 2)).astype(np.float32)
    windows = replace(windows, extra=extra, extra_names=("p", "q"))
    config = replace(CONFIG, method="function-matching", teacher="forest-ensemble", student="filter-mlp")
    config = replace(config, teacher_sensors="all")
    data = TrainingSet.normalized(windows, config)
    teacher = CompiledOnce(windows, windows, config).train_teacher(data, FitContext(1))
    assert teacher is not None and teacher.forest is not None and data.inputs.shape[-1] == 5
    networks = softmax(replace(teacher, forest=None).logits(data.inputs[:9]), axis=1)
    trees = teacher.forest.probabilities(windows.counts[:9])
    np.testing.assert_allclose(np.exp(teacher.logits(data.inputs[:9])), (trees + networks) / 2, atol=1e-4)


def test_a_student_learns_from_a_forest_ensemble_as_from_any_teacher(tmp_path, monkeypatch):
    monkeypatch.setattr("mcukd.distillation.forest.TREES", 8)
    windows, found = herd(), []
    for teacher in ("mixed-ensemble", "forest-ensemble"):
        task = job(tmp_path / teacher)
        config = replace(CONFIG, method="function-matching", teacher=teacher, student="filter-mlp")
        CompiledOnce(windows, windows, config).train_fold(task)
        with np.load(task.path) as fold:
            found.append({name: fold[name] for name in fold.files})
    np.testing.assert_array_equal(*(one["student_logits"] for one in found))
    for name in ("teacher_logits", "student_distilled_logits"):
        assert (found[0][name] != found[1][name]).any(), name


def test_the_epochs_of_a_teacher_are_chosen_on_inner_animals(tmp_path, monkeypatch):
    asked = []

    def select(candidates, seen, predict):
        asked.append(([one.epochs for one in candidates], set(seen.animals)))
        inner, validation = (seen.take(np.isin(seen.animals, names)) for names in (["a", "b"], ["c", "d"]))
        assert predict(candidates[0], inner, validation).shape == (len(validation),)
        return Selection(candidates[2], (0.0, 0.0, 1.0))

    monkeypatch.setattr("mcukd.distillation.hyperparameters.select", select)
    config = replace(CONFIG, method="online", teacher="tsak", student="filter-mlp", teacher_epochs=2)
    config = replace(config, choose_teacher_epochs=True)
    windows, task = herd(), job(tmp_path)
    CompiledOnce(windows, windows, config).train_fold(task)
    assert asked == [([1, 2, 4], set(ANIMALS[:4]))]
    with np.load(task.path) as fold:
        assert fold["teacher_epochs"] == 4 and fold["epochs"] == config.epochs
    fixed = replace(config, choose_teacher_epochs=False)
    assert FoldTraining(task).work(windows, config) > FoldTraining(task).work(windows, fixed)
    assert config.options()["choose_teacher_epochs"] and "choose_teacher_epochs" not in fixed.options()


class FakeFoldTrainer(FoldTrainer):
    """Trains students that are more often right the nearer the weight of the spectral term is to .1."""

    def train_teacher(self, data, fits):
        return Teacher((), out_of_fold_model=np.zeros(len(data), np.int64))

    def train_baseline_student(self, data, config, fits):
        raise Chosen

    def train_distilled_student(self, teacher, soft, data, config, fits, name):
        assert teacher.out_of_fold_model.tolist() == [0] * len(data)
        assert fits.checkpoint(name) is not None
        weight = self.method_options["spectral_weight"]
        TRAINED.append((weight, frozenset(data.windows.animals)))
        right = 1 - abs(weight - 0.1)

        def student(shown, training):
            spread = np.abs(shown).mean(axis=(1, 2)) * right
            return np.stack([-np.abs(spread - level) for level in LEVELS], axis=1)

        student.layers = [SimpleNamespace(output=np.zeros((1, len(LEVELS))))]
        return student


class Chosen(Exception):
    """The choice is made, and what follows it begins."""


#: Weights and animals of the students trained.
TRAINED: list[tuple[float, frozenset[str]]] = []
#: Mean size of the herd's standardised samples by behaviour, about.
LEVELS = (0.55, 0.72, 0.88)


def test_the_spectral_term_s_weight_is_chosen_by_students_of_inner_animals(tmp_path, monkeypatch):
    windows, found = herd(), []
    config = CONFIG.with_options(method="smldist", choose_spectral_weight=True)

    def spy(*arguments):
        found.append(choose_options(*arguments))
        raise Chosen

    monkeypatch.setattr("mcukd.distillation.fold_trainer.choose_options", spy)
    monkeypatch.setattr(Teacher, "logits", lambda self, shown: np.zeros((len(shown), 3)))
    TRAINED.clear()
    with pytest.raises(Chosen):
        FakeFoldTrainer(windows, windows, config).train_fold(job(tmp_path))
    assert found == [{"spectral_weight": 0.1}]
    assert [one["spectral_weight"] for one in SmlDist().candidates(config.method_settings)] == WEIGHTS
    assert [one for one, _ in TRAINED] == [0.0] * 3 + [0.1] * 3 + [0.3] * 3 + [0.9] * 3
    inner = {frozenset(fold.train_animals) for fold in inner_folds(ANIMALS[:4])}
    assert {animals for _, animals in TRAINED} == inner


#: What `--choose-spectral-weight` chooses among, by default.
WEIGHTS = [0.0, 0.1, 0.3, 0.9]


def test_a_weight_of_the_spectral_term_is_of_its_student_only():
    config = DistillConfig.of({"method": "smldist", "choose_spectral_weight": True})
    trainer = FoldTrainer(herd(), herd(), config)
    other = trainer.with_options({"spectral_weight": 0.1})
    assert other.method_settings.options["spectral_weight"] == 0.1
    assert trainer.method_settings.options["spectral_weight"] == 0.3 and other.trainers is trainer.trainers


@pytest.mark.slow
def test_a_fold_is_trained_at_the_weight_that_it_chose(tmp_path):
    windows, task, shown = herd(), job(tmp_path), 0
    config = CONFIG.with_options(method="smldist", choose_spectral_weight=True)

    def advance(count: int) -> None:
        nonlocal shown
        shown += count

    trainer = FoldTrainer(windows, windows, config)
    trainer.train_fold(task, advance)
    assert shown == FoldTraining(task).work(windows, config)
    with np.load(task.path) as fold:
        chosen = float(fold["frequency"])
        assert chosen in WEIGHTS
        given = fold["student_distilled_logits"]
    fixed = config.with_options(choose_spectral_weight=False, spectral_weight=chosen)
    again = job(tmp_path / "fixed")
    FoldTrainer(windows, windows, fixed).train_fold(again)
    with np.load(again.path) as fold:
        assert "frequency" not in fold.files
        np.testing.assert_array_equal(fold["student_distilled_logits"], given)


def test_a_mixed_ensemble_s_students_see_their_own_sensors_only(tmp_path):
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
    teacher.as_single_model.save(tmp_path / "teacher.keras")
    again = keras.models.load_model(tmp_path / "teacher.keras")
    np.testing.assert_allclose(np.asarray(again(windows)), wanted, atol=1e-5)


def test_a_wrong_teacher_output_is_replaced_by_the_label():
    trainer = FoldTrainer(herd(), herd(), replace(CONFIG, correct_teacher=True, temperature=2.0))
    answers = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]], np.float32)
    gated = trainer.correct_teacher_errors(answers, np.array([0, 2]))
    np.testing.assert_array_equal(gated[0], answers[0])
    chances = np.exp(gated[1] / 2.0) / np.exp(gated[1] / 2.0).sum()
    assert chances[2] > 0.999
