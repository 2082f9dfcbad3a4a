"""Training: configuration, schedule, loss, loop and checkpoints."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import random
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.distillation.architectures import STUDENTS as ARCHITECTURES
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.option_lists import parse_seeds
from mcukd.distillation.training_configs import student_training_config
from mcukd.errors import UserError
from mcukd.models.gru_mlp import build_student
from mcukd.training.augmentation import Augmentation
from mcukd.training.checkpoints import Checkpoint
from mcukd.training.losses import online_distillation_loss, soft_label_loss
from mcukd.training.phases import LABELS, SHORTEST_CROP, Phase, length_curriculum
from mcukd.training.prediction import in_parts, logits
from mcukd.training.steps import BATCH, STEPS_PER_EXECUTION
from mcukd.training.teacher_cache import COPIES, AugmentedTeacherCache
from mcukd.training.trainer import (
    FIT_UNITS,
    Targets,
    Trainer,
    TrainingConfig,
    in_units,
    learning_rates,
    random_crops,
    total_steps,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("teacher_epochs", -1),
        ("teacher_width", 0),
        ("gru_units", 0),
        ("dense_units", 1000),
        ("temperature", 0.0),
        ("temperature", float("nan")),
        ("alpha", 1.5),
        ("jobs", 0),
    ],
)
def test_config_names_the_option_that_cannot_work(field, value):
    with pytest.raises(UserError, match="--" + field.replace("_", "-")):
        DistillConfig(**{field: value})


def test_jobs_are_no_part_of_the_options():
    assert DistillConfig(jobs=1).options() == DistillConfig(jobs=7).options()


@pytest.mark.parametrize("student", ARCHITECTURES)
def test_a_student_has_the_training_defaults_of_its_architecture_unless_given(student):
    kind, usual = ARCHITECTURES[student], DistillConfig(student=student, mounting="any")
    for steps, pace in ((50, kind.defaults), (256, kind.long_defaults or kind.defaults)):
        recipe = student_training_config(usual, steps)
        assert (recipe.epochs, recipe.learning_rate) == pace[:2]
        assert student_training_config(replace(usual, epochs=7), steps).epochs == 7
        assert student_training_config(replace(usual, epochs=7), steps).learning_rate == pace.learning_rate
        assert student_training_config(replace(usual, learning_rate=0.004), steps).learning_rate == 0.004
    assert not {"epochs", "learning_rate"} & set(usual.options())
    assert replace(usual, epochs=7).options()["epochs"] == 7
    with pytest.raises(UserError, match="learning-rate is 2, expected 1e-06 to 1"):
        DistillConfig(learning_rate=2)


def test_long_windows_have_a_length_curriculum():
    slow = ARCHITECTURES["gru-mlp"].long_defaults
    assert slow is not None and slow != ARCHITECTURES["gru-mlp"].defaults
    for steps in (32, 63, 64, 128):
        assert (ARCHITECTURES["gru-mlp"].defaults_for(steps) == slow) == (
            len(length_curriculum((LABELS,), steps)) > 1
        )


def test_config_comes_back_from_its_options():
    config = DistillConfig(seeds=(4, 9), split="holdout", epochs=3)
    assert DistillConfig.of({**config.options(), "later": 1}) == config


@pytest.mark.parametrize(("text", "seeds"), [("3", (0, 1, 2)), ("7,", (7,)), ("3,5", (3, 5))])
def test_parse_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "0", "-2", "1,b", "2.5"])
def test_parse_seeds_refuses(text):
    with pytest.raises(UserError, match="--seeds"):
        parse_seeds(text)


def test_seed_named_twice_is_refused():
    with pytest.raises(UserError, match="twice"):
        DistillConfig(seeds=parse_seeds("1,1"))


@given(st.integers(1, 20_000), st.integers(1, 50))
def test_steps_are_whole_calls_close_to_the_epochs_asked_for(windows, epochs):
    steps = total_steps(windows, epochs)
    assert steps >= STEPS_PER_EXECUTION and steps % STEPS_PER_EXECUTION == 0
    assert steps == STEPS_PER_EXECUTION or abs(steps - epochs * windows / BATCH) <= STEPS_PER_EXECUTION / 2


@given(st.integers(1, 3000))
def test_learning_rate_warms_up_and_ends_near_zero(steps):
    rates = learning_rates(steps, 0.01)
    assert len(rates) == steps and (rates >= 0).all() and rates.max() <= 0.01 * (1 + 1e-6)
    if steps >= 100:
        assert rates[0] < 0.0011 and rates[-1] < 1e-5 and rates.max() > 0.0099


def test_distillation_loss_is_the_sum_of_its_two_terms():
    from mcukd.training.losses import distillation_loss
    from mcukd.training.trainer import one_hot

    rng = np.random.default_rng(3)
    student, teacher = rng.normal(size=(2, 9, 4)).astype(np.float32)
    hard = one_hot(rng.integers(0, 4, 9), 4)

    def softmax(z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    hard_term = -(hard * np.log(softmax(student))).sum(axis=1).mean()
    soft_term = 9.0 * -(softmax(teacher / 3) * np.log(softmax(student / 3))).sum(axis=1).mean()
    for alpha in (0.0, 0.3, 1.0):
        loss = float(distillation_loss(student, hard, teacher, 3.0, alpha))
        assert loss == pytest.approx((1 - alpha) * hard_term + alpha * soft_term, rel=1e-5)


@pytest.fixture(scope="module")
def student_trainer() -> Trainer:
    return Trainer(lambda: build_student(12, 3, 3, np.zeros(3), np.ones(3), 4, 4), jit_compile=True)


def _rhythms(count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Three classes by amplitude, in random directions."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    direction = rng.normal(size=(count, 1, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    windows = direction + (0.05 + labels[:, None, None] * 0.5) * rng.normal(size=(count, 12, 3))
    return windows.astype(np.float32), labels


RECIPE = TrainingConfig(epochs=60, learning_rate=1e-2, weight_decay=0.01, augmentation=Augmentation())


def test_training_learns_and_same_seed_gives_identical_weights(student_trainer):
    windows, labels = _rhythms()
    first = student_trainer.fit(windows, Targets(labels), RECIPE, seed=5)
    accuracy = (logits(first, windows).argmax(axis=1) == labels).mean()
    kept = [w.copy() for w in first.get_weights()]
    assert accuracy > 0.8

    short = replace(RECIPE, epochs=7)
    student_trainer.fit(windows, Targets(labels), short, seed=6)  # leaves nothing behind for the next fit
    again = student_trainer.fit(windows, Targets(labels), RECIPE, seed=5)
    for before, after in zip(kept, again.get_weights()):
        np.testing.assert_array_equal(before, after)


def test_soft_labels_alone_train_the_student(student_trainer):
    """With alpha = 1 the hard labels are unused: wrong ones must not matter."""
    windows, labels = _rhythms()
    soft = 6 * np.eye(3, dtype=np.float32)[labels]
    wrong = Targets((labels + 1) % 3, soft, temperature=2.0, alpha=1.0)
    model = student_trainer.fit(windows, wrong, RECIPE, seed=1)
    assert (logits(model, windows).argmax(axis=1) == labels).mean() > 0.8


def test_threads_that_draw_random_numbers_do_not_change_the_first_weights(student_trainer):
    """A Dask worker's event loop draws from Python's global generator, as Keras does for its initializers."""
    windows, labels = _rhythms(64)
    recipe = replace(RECIPE, epochs=1)
    alone = [w.copy() for w in student_trainer.fit(windows, Targets(labels), recipe, seed=5).get_weights()]
    over = threading.Event()

    def draw() -> None:
        while not over.is_set():
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        beside = student_trainer.fit(windows, Targets(labels), recipe, seed=5).get_weights()
    finally:
        over.set()
        thread.join()
    for ours, theirs in zip(alone, beside):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("total", [1, 7, 18, 100, 1234])
def test_progress_of_a_fit_grows_to_its_whole_length(total: int) -> None:
    reported: list[int] = []
    advance = in_units(reported.append, total)
    for _ in range(total):
        advance(1)
    assert min(reported) >= 0 and sum(reported) == FIT_UNITS
    assert sum(reported[: total // 2]) <= FIT_UNITS // 2


class _Killed(Exception):
    pass


def test_an_interrupted_fit_ends_with_the_same_weights(student_trainer, tmp_path):
    """Interrupted three times at arbitrary steps, the fit resumes from its checkpoint."""
    windows, labels = _rhythms()
    kept = [w.copy() for w in student_trainer.fit(windows, Targets(labels), RECIPE, seed=5).get_weights()]
    student_trainer.fit(windows, Targets(labels), replace(RECIPE, epochs=3), seed=6)

    def fit(budget: int | None) -> tuple[list[np.ndarray], int]:
        shown = 0

        def advance(count: int) -> None:
            nonlocal shown
            shown += count
            if budget is not None and shown > budget:
                raise _Killed

        saved = Checkpoint(tmp_path / "fit.npz", "key", interval=0)
        model = student_trainer.fit(windows, Targets(labels), RECIPE, 5, advance, saved)
        return model.get_weights(), shown

    for budget in (8, 25, 54):
        with pytest.raises(_Killed):
            fit(budget)
        student_trainer.fit(windows, Targets(labels), replace(RECIPE, epochs=3), seed=6)
    assert int(np.load(tmp_path / "fit.npz")["step"]) > 0
    resumed, shown = fit(None)
    assert shown == FIT_UNITS, "the bar counts what was done before"
    again, _ = fit(None)  # finished: nothing is trained
    for before, after, later in zip(kept, resumed, again):
        np.testing.assert_array_equal(before, after)
        np.testing.assert_array_equal(before, later)


def test_a_checkpoint_of_another_fit_or_a_damaged_one_is_not_read(tmp_path):
    Checkpoint(tmp_path / "fit.npz", "one").save({"step": np.array(3)})
    assert Checkpoint(tmp_path / "fit.npz", "one").load() is not None
    assert Checkpoint(tmp_path / "fit.npz", "another").load() is None
    (tmp_path / "fit.npz").write_bytes((tmp_path / "fit.npz").read_bytes()[:100])
    assert Checkpoint(tmp_path / "fit.npz", "one").load() is None


def test_divergence_becomes_a_sentence(student_trainer):
    windows, labels = _rhythms()
    windows[0, 0, 0] = np.nan
    with pytest.raises(UserError, match="diverged"):
        student_trainer.fit(windows, Targets(labels), RECIPE, seed=1)


def test_a_gradient_that_overflows_does_not_spoil_the_fit():
    import tensorflow as tf

    def sometimes_steep(signals):
        flat = tf.square(0.0 * tf.reduce_sum(signals.outputs["logits"]))
        # The root's slope is infinite at 0: for batches whose first window is of the third behaviour.
        return soft_label_loss(signals) + tf.sqrt(flat + 1 - signals.hard[0, 2])

    windows, labels = _rhythms()
    phases = (replace(LABELS, loss=sometimes_steep),)
    trainer = Trainer(
        lambda: build_student(12, 3, 3, np.zeros(3), np.ones(3), 4, 4), jit_compile=True, phases=phases
    )
    model = trainer.fit(windows, Targets(labels), RECIPE, seed=1)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert np.mean(logits(model, windows).argmax(axis=1) == labels) > 0.9


def test_weight_decay_pulls_matrices_and_not_biases(student_trainer):
    windows, labels = _rhythms(64)
    nothing = Targets(labels, np.zeros((64, 3), np.float32), 1.0, 0.0)
    light = student_trainer.fit(windows, nothing, replace(RECIPE, weight_decay=0.0), seed=2)
    light_norm = sum(float(np.square(w).sum()) for w in light.get_weights() if w.ndim == 2 and w.shape[0] > 2)
    heavy = student_trainer.fit(windows, nothing, replace(RECIPE, weight_decay=5.0), seed=2)
    heavy_norm = sum(float(np.square(w).sum()) for w in heavy.get_weights() if w.ndim == 2 and w.shape[0] > 2)
    assert heavy_norm < 0.7 * light_norm


@pytest.mark.parametrize("steps", [32, 50, 63, 64, 100, 128, 200, 256, 1000])
def test_a_length_curriculum_costs_as_many_samples_as_whole_windows(steps):
    phases = length_curriculum((replace(LABELS, epoch_fraction=0.5),), steps)
    lengths = [phase.crop_length or steps for phase in phases]
    assert lengths == sorted(set(lengths)) and lengths[-1] == steps and phases[-1].crop_length is None
    assert len(phases) == 1 or lengths[0] >= SHORTEST_CROP
    assert sum(n * phase.epoch_fraction for n, phase in zip(lengths, phases)) == pytest.approx(0.5 * steps)
    assert len(length_curriculum((LABELS,), 256)) == 4 and length_curriculum((LABELS,), 50) == (LABELS,)


def test_a_phase_that_reads_features_keeps_whole_windows():
    features, last = (
        Phase("stages", soft_label_loss, teacher_outputs=("anchor1",)),
        Phase("last", soft_label_loss, ("logits",)),
    )
    found = length_curriculum((features, last), 128)
    assert [(phase.teacher_outputs, phase.crop_length) for phase in found] == [
        (("anchor1",), None),
        *[(("logits",), samples) for samples in (32, 64, None)],
    ]


def test_crops_are_samples_in_a_row_from_anywhere():
    windows = np.arange(500 * 20, dtype=np.float32).reshape(500, 20, 1)
    found = random_crops(windows, 8, np.random.default_rng(0))
    first = found[:, 0, 0] - 20 * np.arange(500)
    np.testing.assert_array_equal(found[..., 0], found[:, :1, 0] + np.arange(8))
    assert set(first.astype(int)) == set(range(13))


def test_a_student_of_the_length_curriculum_takes_whole_windows_and_its_phases_share_a_cache(monkeypatch):
    import tensorflow as tf

    made = []

    class Counted(AugmentedTeacherCache):
        def __init__(self, *arguments):
            made.append(arguments[3:6])
            super().__init__(*arguments)

    monkeypatch.setattr("mcukd.training.trainer.AugmentedTeacherCache", Counted)
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(90, 64, 3)).astype(np.float32)
    answers = rng.normal(size=(90, 3)).astype(np.float32)
    asked = []

    def teacher(windows, index):
        asked.append(windows.shape[1])
        return {"logits": answers[index], "feature": answers[index]}

    def like_the_feature(inputs):
        return tf.reduce_mean(tf.square(inputs.outputs["logits"] - inputs.teacher_outputs["feature"]))

    features = Phase("features", like_the_feature, ("feature",))
    phases = length_curriculum((features, Phase("view", online_distillation_loss, ("logits",))), 64)
    assert [phase.crop_length for phase in phases] == [None, 32, None]
    trainer = Trainer(
        lambda: build_student(0, 3, 3, np.zeros(3), np.ones(3), 4, 4), jit_compile=True, phases=phases
    )
    targets = Targets(np.arange(90) % 3, temperature=1.0, alpha=0.5, teacher=lambda names: teacher)
    model = trainer.fit(windows, targets, TrainingConfig(20, 0.01, 0.01, Augmentation(turn="any")), 7)
    # One cache for all phases, of whole windows, each with one call of the teacher.
    assert [(teacher_outputs, seed) for teacher_outputs, passes, seed in made] == [
        (("feature", "logits"), (7, 0))
    ]
    assert made[0][1] == pytest.approx(20 * sum(phase.epoch_fraction for phase in phases))
    assert asked == [64] * COPIES
    whole = build_student(64, 3, 3, np.zeros(3), np.ones(3), 4, 4)
    whole.set_weights(model.get_weights())
    np.testing.assert_array_equal(logits(model, windows), logits(whole, windows))


def test_a_phase_leaves_weights_that_it_does_not_train_as_they_are():
    """Weight decay shrank what a later phase inherits: to .83 of itself in 40 epochs of 50 samples."""
    import keras

    def build():
        inputs = keras.Input((4, 3))
        pooled = keras.layers.GlobalAveragePooling1D()(inputs)
        outputs = {"logits": keras.layers.Dense(2, name="trained")(pooled)}
        outputs["memory"] = keras.layers.Dense(2, name="memory")(pooled)
        return keras.Model(inputs, outputs)

    trainer = Trainer(build, jit_compile=False)
    windows = np.random.default_rng(0).normal(size=(BATCH, 4, 3)).astype(np.float32)
    memory = np.full((3, 2), 5, np.float32)
    trained = trainer.fit(
        windows,
        Targets(np.arange(BATCH) % 2),
        TrainingConfig(30, 1e-2, 0.5, Augmentation(turn="none")),
        0,
        set_initial=lambda model: model.get_layer("memory").set_weights([memory, np.zeros(2, np.float32)]),
    )
    np.testing.assert_array_equal(trained.get_layer("memory").get_weights()[0], memory)
    assert np.abs(trained.get_layer("trained").get_weights()[0]).sum() > 0


def test_calls_of_a_model_hold_bounded_memory_and_their_size_does_not_matter(monkeypatch):
    from mcukd.models.resnet import build_resnet
    from mcukd.training import prediction

    model = build_resnet(0, 3, 4, np.zeros(3), np.ones(3), width=2)
    windows = np.random.default_rng(0).normal(size=(70, 40, 3)).astype(np.float32)
    assert prediction.windows_per_call(model, 40) == prediction.MOST_PER_CALL
    whole = prediction.logits(model, windows)
    # Outputs of layers per sample: the input twice, 9 convolutions, 9 normalizations, 6 ReLUs, 3 shortcuts,
    # 3 sums, 3 ReLUs; of blocks with 2, 4 and 4 filters. Then the mean and four logits.
    held = 4 * (40 * (2 * 3 + 11 * (2 + 4 + 4)) + 4 + 4)
    monkeypatch.setattr(prediction, "CALL_BYTES", 9 * held + held // 2)
    assert prediction.windows_per_call(model, 40) == 9
    # TensorFlow chooses a convolution by processor and number of windows: the last bits may differ.
    np.testing.assert_array_max_ulp(prediction.logits(model, windows), whole, maxulp=4)
    monkeypatch.setattr(prediction, "CALL_BYTES", 1)
    assert prediction.windows_per_call(model, 40) == 1


def test_outputs_computed_in_parts_are_those_of_the_whole():
    sizes = []

    def compute(part):
        sizes.append(len(part))
        return {"sums": part.sum(axis=1), "whole": part}

    windows = np.random.default_rng(0).normal(size=(10, 5, 3)).astype(np.float32)
    found = in_parts(compute, windows, 4)
    assert sizes == [4, 4, 2]
    np.testing.assert_array_equal(found["sums"], windows.sum(axis=1))
    np.testing.assert_array_equal(found["whole"], windows)
