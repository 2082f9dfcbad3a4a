"""Training loop of every teacher, student and distillation method.

TensorFlow compiles a training step once per model and batch shape, which takes seconds where a whole fit
takes ten. A Trainer therefore lives as long as its process, and each fit starts again from weights drawn with
its own seed.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.training.augmentation import Augmentation, Augmenter
from mcukd.training.checkpoints import Checkpoint
from mcukd.training.context import (
    CarriedState,
    WindowsInContext,
    drawn_contexts,
    drawn_length,
)
from mcukd.training.phases import LABELS, Phase
from mcukd.training.prediction import FloatArray
from mcukd.training.rollback import DivergenceRollback
from mcukd.training.steps import BATCH, STEPS_PER_EXECUTION, in_steps, training_steps
from mcukd.training.teacher_cache import AugmentedTeacherCache

if TYPE_CHECKING:
    import keras

    from mcukd.training.phases import TeacherFn

#: Length of a fit on a progress bar, whatever its steps.
FIT_UNITS = 100


@dataclass(frozen=True)
class TrainingConfig:
    """Hyperparameters of one fit: epochs, peak learning rate, decoupled weight decay, augmentation."""

    epochs: float
    learning_rate: float
    weight_decay: float
    augmentation: Augmentation

    def with_more_epochs(self, factor: float) -> TrainingConfig:
        """Return the hyperparameters with a multiple of the epochs."""
        return replace(self, epochs=self.epochs * factor)


@dataclass(frozen=True)
class Targets:
    """Training targets of one fit.

    labels: (N,) class indices. soft: (N, K) precomputed teacher logits, or None for hard labels only.
    temperature, alpha: of the distillation loss. smoothing: label smoothing, the fraction of a hard label
    that is spread evenly over all classes. teacher: from output names to the function that computes the
    teacher's outputs for the augmented windows of a batch; None without an online teacher.
    """

    labels: NDArray[np.int64]
    soft: FloatArray | None = None
    temperature: float = 1.0
    alpha: float = 0.0
    smoothing: float = 0.0
    teacher: Callable[[Sequence[str]], TeacherFn] | None = None

    def one_hot(self, classes: int) -> FloatArray:
        """Return the hard labels as (N, K) float32, smoothed."""
        hard = one_hot(self.labels, classes)
        if self.smoothing:
            hard = hard * (1 - self.smoothing) + np.float32(self.smoothing / classes)
        return hard


def in_units(on_progress: Callable[[int], None], total: int) -> Callable[[int], None]:
    """Return a function that is given steps done, `total` in all, and passes on FIT_UNITS units in all."""
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        before, done = done, done + steps
        on_progress(FIT_UNITS * done // total - FIT_UNITS * before // total)

    return advance


def total_steps(windows: int, epochs: float) -> int:
    """Return the optimizer steps of `epochs` epochs, rounded to whole calls of STEPS_PER_EXECUTION steps."""
    return max(1, round(epochs * windows / BATCH / STEPS_PER_EXECUTION)) * STEPS_PER_EXECUTION


def learning_rates(steps: int, peak: float) -> FloatArray:
    """Return the schedule (steps,): a tenth of linear warm-up, then half a cosine down to zero."""
    step = np.arange(steps)
    warm_up = max(1, steps // 10)
    rest = np.clip((step - warm_up) / max(1, steps - warm_up), 0, 1)
    return (peak * np.minimum((step + 1) / warm_up, 0.5 * (1 + np.cos(np.pi * rest)))).astype(np.float32)


class Trainer:
    """Trains one architecture any number of times, phase by phase.

    build: returns the model with fresh weights; its output is logits, or a dictionary with "logits" and
    whatever else the phases' losses read. jit_compile: compile the step with XLA, which makes the GRU four
    times faster and convolutions many times slower (docs/reference/distillation.md, Speed). rollback:
    return to earlier weights where a fit diverges (`mcukd.training.rollback`). carried: how the model is run
    from a state, where it is trained on windows in their context (`mcukd.training.context`).
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        *,
        jit_compile: bool,
        phases: Sequence[Phase] = (LABELS,),
        rollback: bool = False,
        carried: CarriedState | None = None,
    ) -> None:
        from mcukd.tensorflow_setup import keras

        self._build = build
        self.model = build()
        self.phases = tuple(phases)
        self._rollback = rollback
        self._carried = carried
        self._optimizer = keras.optimizers.Adam(global_clipnorm=1.0)
        self._optimizer.build(self.model.trainable_variables)
        self.loops = [
            training_steps(self.model, self._optimizer, phase, jit_compile, carried) for phase in self.phases
        ]

    def fit(
        self,
        windows: FloatArray,
        targets: Targets,
        config: TrainingConfig,
        seed: int,
        on_progress: Callable[[int], None] = lambda units: None,
        checkpoint: Checkpoint | None = None,
        set_initial: Callable[[keras.Model], None] | None = None,
        context: WindowsInContext | None = None,
    ) -> keras.Model:
        """Train from fresh weights on windows (N, T, C) and return the model, which the next fit will reuse.

        C may exceed the model's channels: the model gets the first ones, the teacher all of them. on_progress
        is given the units done, FIT_UNITS for the whole fit. set_initial: sets weights that are not drawn,
        such as a head inherited from the teacher. With a checkpoint an interrupted fit resumes. The same
        arguments give the same weights on the same machine, interrupted or not. context: the windows in their
        context, for a trainer with `carried`; the teacher gets the windows alone. Raises UserError where
        training diverges.
        """
        assert (context is None) == (self._carried is None), "a carried state is trained in context"
        self._initialize(seed)
        if set_initial is not None:
            set_initial(self.model)
        fit = _Fit(np.random.default_rng(seed))
        if checkpoint is not None:
            fit = self._resume(checkpoint, fit)
        hard = targets.one_hot(self._classes())
        soft = np.zeros_like(hard) if targets.soft is None else targets.soft.astype(np.float32)
        augment = Augmenter(windows, config.augmentation)
        channels = self.model.input_shape[-1]
        cache: AugmentedTeacherCache | None = None
        phase_steps = [total_steps(len(windows), config.epochs * p.epoch_fraction) for p in self.phases]
        advance = in_units(on_progress, sum(phase_steps))
        for number, (phase, steps) in enumerate(zip(self.phases, phase_steps)):
            if number < fit.phase:
                advance(steps)
                continue
            rates = learning_rates(steps, config.learning_rate * phase.lr_scale)
            advance(fit.step)
            if cache is None or not phase.shares_inputs_with(self.phases[number - 1]):
                cache = self._cache(number, windows, augment, targets, config, seed, context)
            while fit.step < steps:
                index = fit.next_windows(len(windows))
                length = phase.crop_length or windows.shape[1]
                longest = None if context is None else drawn_length(length, fit.rng)
                inputs, teacher_outputs = cache.draw(index, fit.rng, phase.teacher_outputs, longest)
                if self._rollback and fit.rollback.should_snapshot():
                    fit.rollback.snapshot(self.model.get_weights())
                before: tuple[Any, ...] = ()
                if longest is not None:
                    drawn = drawn_contexts(inputs, windows.shape[1], length, longest, fit.rng)
                    inputs, before = drawn.samples, (in_steps(drawn.first), drawn.begin)
                elif phase.crop_length is not None:
                    inputs = random_crops(inputs, phase.crop_length, fit.rng)
                loss, mean_loss = self.loops[number](
                    in_steps(np.ascontiguousarray(inputs[..., :channels])),
                    in_steps(hard[index]),
                    in_steps(soft[index]),
                    {name: in_steps(output) for name, output in teacher_outputs.items()},
                    rates[fit.step : fit.step + STEPS_PER_EXECUTION] * np.float32(fit.rollback.lr_factor),
                    np.float32(config.weight_decay),
                    np.float32(targets.temperature),
                    np.float32(targets.alpha),
                    *before,
                )
                fit.step += STEPS_PER_EXECUTION
                if self._rollback and fit.rollback.diverged(float(mean_loss)):
                    self.model.set_weights(fit.rollback.weights)
                    self._reset_optimizer()
                elif not np.isfinite(loss):
                    raise UserError(
                        f"{self.model.name}: training diverged (loss {float(loss)}) at step {fit.step} of "
                        f"{steps}; check the data for samples far outside the sensor's range."
                    )
                advance(STEPS_PER_EXECUTION)
                if checkpoint is not None:
                    checkpoint.save_if_due(lambda: self._state(fit))
            fit.phase, fit.step, fit.rollback = number + 1, 0, DivergenceRollback()
            self._reset_optimizer()
        if checkpoint is not None:
            checkpoint.save(self._state(fit))
        return self.model

    def _cache(
        self,
        number: int,
        windows: FloatArray,
        augment: Augmenter,
        targets: Targets,
        config: TrainingConfig,
        seed: int,
        context: WindowsInContext | None,
    ) -> AugmentedTeacherCache:
        """Return the cache of a phase and of all others that share its inputs, the same for each of them."""
        phase = self.phases[number]
        sharing = [n for n, other in enumerate(self.phases) if other.shares_inputs_with(phase)]
        epochs = config.epochs * sum(self.phases[n].epoch_fraction for n in sharing)
        # One forward pass serves all of them: the teacher's features cost nothing beside its logits.
        names = tuple(dict.fromkeys(name for n in sharing for name in self.phases[n].teacher_outputs))
        teacher, presented = targets.teacher, windows if context is None else context
        if context is not None and teacher is not None:
            teacher = _of_windows_alone(teacher, context)
        return AugmentedTeacherCache(
            presented, augment, teacher, names, epochs, (seed, sharing[0]), phase.mixup_fraction
        )

    def _classes(self) -> int:
        output = self.model.output
        return int((output["logits"] if isinstance(output, dict) else output).shape[-1])

    def _initialize(self, seed: int) -> None:
        from mcukd.tensorflow_setup import keras

        keras.utils.set_random_seed(seed)
        with _private_initializer_seeds(seed):
            self.model.set_weights(self._build().get_weights())
        self._reset_optimizer()

    def _reset_optimizer(self) -> None:
        for variable in self._optimizer.variables:
            if variable is not self._optimizer.learning_rate:
                variable.assign(np.zeros(variable.shape))

    def _state(self, fit: _Fit) -> dict[str, Any]:
        weights = {f"weight{n}": weight for n, weight in enumerate(self.model.get_weights())}
        momenta = {f"momentum{n}": np.asarray(v) for n, v in enumerate(self._optimizer.variables)}
        return {
            **weights,
            **momenta,
            "phase": np.array(fit.phase),
            "step": np.array(fit.step),
            "order": fit.order,
            "random": np.array(json.dumps(fit.rng.bit_generator.state)),
            **(fit.rollback.state() if self._rollback else {}),
        }

    def _resume(self, checkpoint: Checkpoint, fresh: _Fit) -> _Fit:
        """Restore the checkpoint's weights and return its progress; `fresh` where there is no checkpoint."""
        stored = checkpoint.load()
        if stored is None:
            return fresh
        self.model.set_weights([stored[f"weight{n}"] for n in range(len(self.model.get_weights()))])
        for n, variable in enumerate(self._optimizer.variables):
            variable.assign(stored[f"momentum{n}"])
        fresh.rng.bit_generator.state = json.loads(str(stored["random"]))
        rollback = DivergenceRollback.from_state(stored) if self._rollback else DivergenceRollback()
        return _Fit(fresh.rng, int(stored["phase"]), int(stored["step"]), stored["order"], rollback)


@contextmanager
def _private_initializer_seeds(seed: int) -> Iterator[None]:
    """Make Keras draw the seeds of its initializers from `seed` alone.

    Keras draws them from Python's global generator, which other threads use as well: those of a Dask worker
    changed the initial weights now and then, and so the results.
    """
    own, shared, thread = random.Random(seed), random.randint, threading.get_ident()

    def randint(low: int, high: int) -> int:
        return (own.randint if threading.get_ident() == thread else shared)(low, high)

    random.randint = randint  # type: ignore[assignment]
    try:
        yield
    finally:
        random.randint = shared


@dataclass
class _Fit:
    """Progress of a fit: phases finished, steps of the current one, windows left of the shuffled order."""

    rng: np.random.Generator
    phase: int = 0
    step: int = 0
    order: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    rollback: DivergenceRollback = field(default_factory=DivergenceRollback)

    def next_windows(self, windows: int) -> NDArray[np.int64]:
        """Return the indices of the windows of the next call, each window once per epoch in random order."""
        count = STEPS_PER_EXECUTION * BATCH
        while len(self.order) < count:
            self.order = np.concatenate([self.order, self.rng.permutation(windows)])
        index, self.order = self.order[:count], self.order[count:]
        return index


def random_crops(windows: FloatArray, length: int, rng: np.random.Generator) -> FloatArray:
    """Return `length` samples (n, length, C) of each window (n, T, C), from a random start."""
    first = rng.integers(windows.shape[1] - length + 1, size=len(windows))
    return windows[np.arange(len(windows))[:, None], first[:, None] + np.arange(length)]


def one_hot(labels: NDArray[np.int64], classes: int) -> FloatArray:
    """Return labels (N,) as (N, K) float32 with a single one in each row."""
    return np.eye(classes, dtype=np.float32)[labels]


def _of_windows_alone(
    teacher: Callable[[Sequence[str]], TeacherFn], context: WindowsInContext
) -> Callable[[Sequence[str]], TeacherFn]:
    """Return a teacher that is given windows in their context, of which it sees the windows."""

    def outputs_fn(names: Sequence[str]) -> TeacherFn:
        answer = teacher(names)
        return lambda found, index: answer(context.without(found), index)

    return outputs_fn
