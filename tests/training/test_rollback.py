"""Rollback of a diverging fit to earlier weights, at a smaller learning rate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.distillation.architectures import STUDENTS
from mcukd.models.gru_mlp import build_student
from mcukd.training.augmentation import Augmentation
from mcukd.training.checkpoints import Checkpoint
from mcukd.training.phases import LABELS, length_curriculum
from mcukd.training.rollback import DivergenceRollback
from mcukd.training.trainer import Targets, Trainer, TrainingConfig

RECIPE = TrainingConfig(epochs=60, learning_rate=1e-2, weight_decay=0.01, augmentation=Augmentation())


def _run(losses: list[float]) -> tuple[DivergenceRollback, list[int]]:
    """Return a detector after calls of these losses, and the calls rolled back; weights are call numbers."""
    rollback, rolled_back = DivergenceRollback(), []
    for call, loss in enumerate(losses):
        if rollback.should_snapshot():
            rollback.snapshot([np.array([call], np.float32)])
        if rollback.diverged(loss):
            rolled_back.append(call)
    return rollback, rolled_back


def test_a_loss_that_leaps_rolls_the_fit_back_to_before_it():
    losses = [1.0] * 20 + [3.0] + [1.0] * 3
    rollback, rolled_back = _run(losses)
    assert rolled_back == [20] and rollback.lr_factor == 0.5
    assert rollback.weights == [16], "not those before call 20, which may already be diverging"
    assert _run([*losses, 2.1, 1.0, float("nan")])[0].lr_factor == 0.125


@given(st.lists(st.floats(0.01, 0.5), min_size=1, max_size=60))
def test_a_loss_that_only_wavers_rolls_nothing_back(losses):
    rollback, rolled_back = _run(losses)
    assert not rolled_back and rollback.lr_factor == 1 and 1 <= len(rollback.snapshots) <= 2


def test_the_first_call_of_a_phase_never_diverges():
    assert _run([float("nan")])[1] == [] and _run([50.0])[1] == []


def test_a_rollback_is_restored_from_its_state():
    rollback, _ = _run([1.0] * 9 + [4.0, 1.0])
    again = DivergenceRollback.from_state(rollback.state())
    assert again == rollback and len(again.snapshots) == len(rollback.snapshots) > 0
    assert DivergenceRollback.from_state(DivergenceRollback().state()) == DivergenceRollback()


def test_students_of_long_windows_may_be_rolled_back():
    gru_mlp = STUDENTS["gru-mlp"]
    assert gru_mlp.defaults_for(256).rollback and not gru_mlp.defaults_for(50).rollback


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return Trainer(
        lambda: build_student(0, 3, 3, np.zeros(3), np.ones(3), 4, 4),
        jit_compile=True,
        phases=length_curriculum((LABELS,), 64),
        rollback=True,
    )


def _bouts(count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Three classes by amplitude."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    windows = (0.05 + 0.5 * labels[:, None, None]) * rng.normal(size=(count, 64, 3))
    return windows.astype(np.float32), labels


def _breaking(trainer: Trainer, calls: tuple[int, ...], seen: list[Any]) -> list[Callable[..., Any]]:
    """Return the trainer's loops, which in these calls leave the weights as a burst of gradients would.

    seen: is told the highest rate of every call, and the weights before it.
    """
    loops = list(trainer.loops)

    def breaking(loop: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            seen.append((np.max(arguments[4]), [w.copy() for w in trainer.model.get_weights()]))
            loss, mean = loop(*arguments)
            if len(seen) - 1 not in calls:
                return loss, mean
            trainer.model.set_weights([100 * weight for weight in trainer.model.get_weights()])
            return loss, mean + 10

        return call

    return [breaking(loop) for loop in loops]


def test_a_fit_whose_weights_burst_goes_back(trainer, monkeypatch):
    (windows, labels), calm, seen = _bouts(), [], []
    monkeypatch.setattr(trainer, "loops", _breaking(trainer, (), calm))
    trainer.fit(windows, Targets(labels), RECIPE, seed=5)
    monkeypatch.undo()
    monkeypatch.setattr(trainer, "loops", _breaking(trainer, (4, 10), seen))
    found = trainer.fit(windows, Targets(labels), RECIPE, seed=5)
    assert max(np.abs(weight).max() for weight in found.get_weights()) < 20
    # To where it was four calls before, and to where the second phase began, which is all that is kept yet.
    for after, before in ((5, 0), (11, 7)):
        for ours, theirs in zip(seen[after][1], seen[before][1]):
            np.testing.assert_array_equal(ours, theirs)
    # Half of a phase's rates after a burst, whole ones again in the next phase; no step is made twice.
    shares = [found[0] / usual[0] for found, usual in zip(seen, calm)]
    assert len(seen) == len(calm) == 21
    np.testing.assert_allclose(shares, [1.0] * 5 + [0.5] * 2 + [1.0] * 4 + [0.5] * 10)


def test_an_interrupted_fit_that_had_gone_back_ends_with_the_same_weights(
    trainer, monkeypatch, tmp_path: Path
):
    windows, labels = _bouts()
    diverged = DivergenceRollback.diverged
    monkeypatch.setattr(
        DivergenceRollback, "diverged", lambda self, loss: diverged(self, loss + 10 * (self.calls == 5))
    )

    def fit(budget: int, checkpoint: Any = None) -> list[np.ndarray]:
        shown = 0

        def advance(count: int) -> None:
            nonlocal shown
            shown += count
            if shown > budget:
                raise KeyboardInterrupt

        model = trainer.fit(windows, Targets(labels), RECIPE, 5, advance, checkpoint)
        return [weight.copy() for weight in model.get_weights()]

    whole = fit(10**9)
    for budget in (21, 30, 32, 69):
        with pytest.raises(KeyboardInterrupt):
            fit(budget, Checkpoint(tmp_path / "fit.npz", "key", interval=0))
        trainer.fit(windows, Targets(labels), RECIPE, seed=6)
    assert np.load(tmp_path / "fit.npz")["footing"][0] == 0.5
    for ours, theirs in zip(whole, fit(10**9, Checkpoint(tmp_path / "fit.npz", "key", interval=0))):
        np.testing.assert_array_equal(ours, theirs)
