"""Training in context: random contexts, states without gradients, and zero states that are real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.past import Past
from mcukd.models.gru_mlp import build_student, carried_state, logits_from_state
from mcukd.training.augmentation import Augmentation
from mcukd.training.checkpoints import Checkpoint
from mcukd.training.context import LONGEST, CarriedState, WindowsInContext, drawn_contexts, drawn_length
from mcukd.training.losses import online_distillation_loss
from mcukd.training.phases import Phase, length_curriculum
from mcukd.training.trainer import Targets, Trainer, TrainingConfig

STEPS = 8
#: Three recordings of 60, 5 + STEPS and STEPS samples; a sample tells its place by its first channel.
SAMPLES = np.stack([np.arange(1, 82), np.zeros(81), np.ones(81)], axis=1).astype(np.int16)
BEGINS = np.array([0, 3, 30, 52, 65, 73])
ORIGINS = np.array([0, 0, 0, 0, 60, 73])
PAST = Past(SAMPLES, BEGINS, ORIGINS)


LABELS = np.array([0, 0, 1, 0, 1, 0])


def in_context(labels: np.ndarray = LABELS, animals: str = "aaaabc") -> WindowsInContext:
    windows = SAMPLES[BEGINS[:, None] + np.arange(STEPS)].astype(np.float32) / 2
    return WindowsInContext(windows, PAST, 2.0, labels, np.array(list(animals)))


def behind_all(index: list[int]) -> np.ndarray:
    return in_context().behind(np.array(index), LONGEST * STEPS, np.random.default_rng(0))


@given(seed=st.integers(0, 200), length=st.sampled_from([STEPS, 5, 2, 1]))
def test_contexts_are_samples_in_a_row_of_the_window_s_recording(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    index = rng.integers(len(BEGINS), size=40)
    longest = drawn_length(length, rng)
    drawn = drawn_contexts(in_context().behind(index, longest, rng), STEPS, length, longest, rng)
    reach = LONGEST * length
    assert drawn.samples.shape == (40, reach + length, 3) and drawn.begin == reach - longest
    assert np.all(drawn.first >= drawn.begin) and np.all(drawn.first <= reach)
    for number, one, first in zip(index, drawn.samples[..., 0] * 2, drawn.first):
        crop = one[reach:]
        assert BEGINS[number] + 1 <= crop[0] and crop[-1] <= BEGINS[number] + STEPS
        used = one[first:]
        np.testing.assert_array_equal(used, used[0] + np.arange(len(used)))  # in a row, into the crop
        assert used[0] > ORIGINS[number]  # never of another recording


def test_contexts_are_of_all_lengths_and_some_windows_have_none() -> None:
    rng, lengths, zero = np.random.default_rng(0), [], []
    for _ in range(300):
        longest = drawn_length(STEPS, rng)
        drawn = drawn_contexts(behind_all([3] * 50), STEPS, STEPS, longest, rng)
        used = LONGEST * STEPS - drawn.first
        lengths.append(int(used.max()))
        zero.append(np.mean(used == 0))
    assert len(set(lengths)) > 25 and min(lengths) == 1 and max(lengths) >= LONGEST * STEPS - 1
    assert 0.1 < np.mean(zero) < 0.15


def test_a_recording_s_first_window_has_no_context() -> None:
    found = behind_all([0, 5, 1])
    drawn = drawn_contexts(found, STEPS, STEPS, LONGEST * STEPS, np.random.default_rng(1))
    assert drawn.first.tolist()[:2] == [LONGEST * STEPS] * 2
    assert found[..., -1].sum(axis=1).tolist() == [STEPS, STEPS, STEPS + 3]


@given(seed=st.integers(0, 200), count=st.integers(1, 40))
def test_where_every_recording_has_one_behaviour_half_of_the_contexts_begin_with_another(
    seed: int, count: int
) -> None:
    """An animal's only recording joins nothing; joined parts are each in a row, of the same animal."""
    context = in_context(np.array([0, 0, 0, 0, 1, 0]), "aaaaab")
    assert context.joins.all() and in_context().joins.tolist() == [False] * 4 + [True] * 2
    rng = np.random.default_rng(seed)
    index = rng.integers(len(BEGINS), size=60)
    found = context.behind(index, count, rng)
    joined = 0
    for number, one in zip(index, found):
        values = np.round(one[one[:, -1] == 1, 0] * 2).astype(int) - 1  # places of what was recorded
        np.testing.assert_array_equal(values[-STEPS:], BEGINS[number] + np.arange(STEPS))
        recordings = np.searchsorted([0, 60, 73], values, "right")
        breaks = np.flatnonzero((np.diff(values) != 1) | (np.diff(recordings) != 0))
        assert len(breaks) <= 1
        if len(breaks):
            joined += 1
            assert number != 5 and values[0] < 73
            assert recordings[0] != recordings[-1]
    if count > 10:
        assert joined < 40


def student(seed: int = 0):  # type: ignore[no-untyped-def]
    import keras

    keras.utils.set_random_seed(seed)
    return build_student(0, 3, 3, np.zeros(3), np.ones(3), 4, 4)


def test_the_masked_warm_up_is_that_of_the_zero_state() -> None:
    """What is no sample leaves the state zero, whatever it holds; what is one steps it as the GRU does."""
    import tensorflow as tf

    rng, model = np.random.default_rng(0), student()
    samples = rng.normal(size=(5, 12, 3)).astype(np.float32)
    first = np.array([12, 11, 5, 3, 3], np.int32)
    run = tf.function(lambda x, f, b: carried_state(model, x, f, b), jit_compile=True)
    found = run(samples, first, np.int32(3)).numpy()
    assert not found[0].any()
    for number, start in enumerate(first[1:], 1):
        alone = model.get_layer("gru")(samples[number : number + 1, start:])
        np.testing.assert_allclose(found[number], alone.numpy()[0], atol=1e-6)
    garbage = samples.copy()
    for number, start in enumerate(first):
        garbage[number, :start] = 1e6
    np.testing.assert_array_equal(run(garbage, first, np.int32(3)).numpy(), found)
    np.testing.assert_array_equal(run(samples, first, np.int32(0)).numpy(), found)


def test_a_window_behind_its_context_is_one_sequence() -> None:
    rng, model = np.random.default_rng(0), student()
    samples = rng.normal(size=(6, 20, 3)).astype(np.float32)
    state = carried_state(model, samples[:, :12], np.zeros(6, np.int32), np.int32(0))
    found = logits_from_state(model, samples[:, 12:], state)
    np.testing.assert_allclose(found, model(samples), atol=1e-5)
    zero = np.zeros((6, 4), np.float32)
    np.testing.assert_allclose(
        logits_from_state(model, samples[:, 12:], zero), model(samples[:, 12:]), atol=1e-5
    )


CARRIED = CarriedState(carried_state, logits_from_state)


def last_behaviour(count: int = 500) -> tuple[np.ndarray, np.ndarray, Past]:
    """Windows of a recording that says its behaviour in one sample, mostly before the window begins."""
    rng = np.random.default_rng(0)
    said = np.where(rng.random(count * 8) < 1 / 16, rng.choice([-1000, 1000], count * 8), 0).astype(np.int16)
    said[0] = 1000
    samples = np.stack([said, np.zeros_like(said), np.full_like(said, 500)], axis=1)
    known = np.maximum.accumulate(np.where(said != 0, np.arange(len(said)), 0))
    begins = np.arange(0, len(said) - 8, 8)
    labels = (said[known[begins + 7]] > 0).astype(np.int64)
    return samples, labels, Past(samples, begins, np.zeros_like(begins))


def test_it_learns_what_only_the_context_tells_and_resumes_to_the_same_weights(tmp_path: Path) -> None:
    from mcukd.data.past import carried_states
    from mcukd.models.gru_mlp import student_weights

    samples, labels, past = last_behaviour()
    windows = samples[past.begins[:, None] + np.arange(8)].astype(np.float32) / 1000
    trainer = Trainer(
        lambda: build_student(0, 3, 2, np.zeros(3), np.ones(3), 6, 4), jit_compile=True, carried=CARRIED
    )
    config = TrainingConfig(120, 0.03, 0.0, Augmentation(turn="none"))
    context = WindowsInContext(windows, past, 1000.0, labels, np.zeros(len(labels)))
    model = trainer.fit(windows, Targets(labels), config, 1, context=context)
    weights = student_weights(model)
    states = carried_states(lambda h, x: weights.step(x / 1000, h), np.zeros(6), past, 8)
    carried = np.mean(weights.head.logits(states).argmax(1) == labels)
    alone = np.mean(weights.logits(windows).argmax(1) == labels)
    assert carried > 0.95 and alone < 0.85
    first = [weight.copy() for weight in model.get_weights()]

    def fit(most: int) -> list[np.ndarray]:
        shown = 0

        def on_progress(units: int) -> None:
            nonlocal shown
            shown += units
            if shown > most:
                raise KeyboardInterrupt

        saved = Checkpoint(tmp_path / "fit.npz", "key", interval=0)
        return trainer.fit(
            windows, Targets(labels), config, 1, on_progress, saved, context=context
        ).get_weights()

    for most in (20, 70):
        with pytest.raises(KeyboardInterrupt):
            fit(most)
    assert int(np.load(tmp_path / "fit.npz")["step"]) > 0
    for one, other in zip(first, fit(100)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mixup", [0.0, 1.0])
def test_the_teacher_sees_windows_alone(mixup: float) -> None:
    seen = []

    def teacher(windows: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(windows)
        return {"logits": np.zeros((len(windows), 3), np.float32)}

    context = in_context()
    windows = context.without(behind_all(list(range(len(BEGINS)))))
    phases = (Phase("online", online_distillation_loss, ("logits",), mixup_fraction=mixup),)
    trainer = Trainer(
        lambda: build_student(0, 3, 3, np.zeros(3), np.ones(3), 4, 4),
        jit_compile=True,
        phases=length_curriculum(phases, STEPS),
        carried=CARRIED,
    )
    targets = Targets(np.arange(6) % 3, temperature=1.0, alpha=0.5, teacher=lambda names: teacher)
    trainer.fit(windows, targets, TrainingConfig(2, 0.01, 0.0, Augmentation(turn="none")), 0, context=context)
    shown = np.concatenate(seen)
    assert shown.shape[1:] == (STEPS, 3)
    assert windows[..., 0].min() <= shown[..., 0].min() and shown[..., 0].max() <= windows[..., 0].max()
    np.testing.assert_allclose(np.diff(shown[..., 0], axis=1), 0.5, atol=1e-4)


def test_of_two_that_are_mixed_the_context_is_as_long_as_the_shorter_one() -> None:
    from mcukd.training.teacher_cache import mixup

    found = behind_all([3, 1])  # 52 samples before, and 3
    mixed = mixup(found, 1.0, np.random.default_rng(3))
    reach = LONGEST * STEPS
    drawn = [drawn_contexts(mixed, STEPS, STEPS, reach, np.random.default_rng(seed)) for seed in range(20)]
    assert max(reach - one.first.min() for one in drawn) == 3
