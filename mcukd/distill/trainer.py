"""The one training loop, shared by every teacher, every student and every method.

TensorFlow compiles a step once per model and batch shape; compiling takes seconds where a whole fit takes
ten. So a Trainer lives as long as its process, and each fit starts it anew from weights drawn by its seed.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.distill.augment import Augmentation, Augmenter
from mcukd.distill.checkpoint import Checkpoint
from mcukd.distill.footing import Footing
from mcukd.distill.phases import LABELS, Phase, Signals
from mcukd.distill.views import Views
from mcukd.errors import UserError

if TYPE_CHECKING:
    import keras

    from mcukd.distill.phases import Listener

FloatArray = NDArray[np.float32]

BATCH = 64
#: Steps per call into TensorFlow. A training is a whole number of calls, so that each has the same shape.
STEPS = 32


@dataclass(frozen=True)
class Recipe:
    """How one model is trained: passes over the windows, peak learning rate, decoupled weight decay."""

    epochs: int
    learning_rate: float
    weight_decay: float
    augmentation: Augmentation


@dataclass(frozen=True)
class Targets:
    """What a fit learns from.

    labels: (N,) class numbers. soft: (N, K) logits of a teacher, or None for hard labels only.
    temperature, mixing: of the distillation loss. smoothing: share of a hard label that is spread evenly over
    all classes. teacher: from what a phase hears to who answers on the very windows the student is shown.
    """

    labels: NDArray[np.int64]
    soft: Optional[FloatArray] = None
    temperature: float = 1.0
    mixing: float = 0.0
    smoothing: float = 0.0
    teacher: Optional[Callable[[Sequence[str]], Listener]] = None


def total_steps(windows: int, epochs: float) -> int:
    """Return the optimizer steps of `epochs` passes, rounded to whole calls of STEPS steps."""
    return max(1, round(epochs * windows / BATCH / STEPS)) * STEPS


def windows_presented(windows: int, epochs: int, phases: Sequence[Phase] = (LABELS,)) -> int:
    """Return how many windows a fit of `epochs` passes shows to the model, over all its phases."""
    return sum(total_steps(windows, epochs * phase.share) for phase in phases) * BATCH


def learning_rates(steps: int, peak: float) -> FloatArray:
    """Return the schedule (steps,): a tenth of linear warm-up, then half a cosine down to zero."""
    step = np.arange(steps)
    warm_up = max(1, steps // 10)
    rest = np.clip((step - warm_up) / max(1, steps - warm_up), 0, 1)
    return (peak * np.minimum((step + 1) / warm_up, 0.5 * (1 + np.cos(np.pi * rest)))).astype(np.float32)


class Trainer:
    """Trains one architecture again and again, phase by phase.

    build: makes the model with fresh weights; its output is logits, or a dictionary with "logits" and
    whatever else the phases' losses read. `compiled` has XLA compile the step: four times faster for the GRU,
    many times slower for convolutions (docs/distillation.md has the measurements). A `steady` one goes back
    where a fit loses what it knew.
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        *,
        compiled: bool,
        phases: Sequence[Phase] = (LABELS,),
        steady: bool = False,
    ) -> None:
        from mcukd.tensorflow_setup import keras

        self._build = build
        self.model = build()
        self.phases = tuple(phases)
        self._steady = steady
        self._optimizer = keras.optimizers.Adam(global_clipnorm=1.0)
        self._optimizer.build(self.model.trainable_variables)
        self._loops = [_training_loop(self.model, self._optimizer, phase, compiled) for phase in self.phases]

    def fit(
        self,
        windows: FloatArray,
        targets: Targets,
        recipe: Recipe,
        seed: int,
        advance: Callable[[int], None] = lambda windows: None,
        checkpoint: Optional[Checkpoint] = None,
        start: Optional[Callable[[keras.Model], None]] = None,
    ) -> keras.Model:
        """Train from fresh weights on windows (N, T, C) and return the model, which the next fit will reuse.

        C may be more than the model's channels: it is shown the first, a listening teacher all of them.
        advance is told how many windows were presented. start puts weights in place that are not drawn, such
        as a head inherited from the teacher. With a checkpoint an interrupted fit goes on where it was. The
        same arguments give the same weights on the same machine, interrupted or not. Raises UserError where
        training diverges.
        """
        self._start_anew(seed)
        if start is not None:
            start(self.model)
        fit = _Fit(np.random.default_rng(seed))
        if checkpoint is not None:
            fit = self._resume(checkpoint, fit)
        hard = one_hot(targets.labels, self._classes())
        if targets.smoothing:
            hard = hard * (1 - targets.smoothing) + np.float32(targets.smoothing / hard.shape[1])
        soft = np.zeros_like(hard) if targets.soft is None else targets.soft.astype(np.float32)
        augment = Augmenter(windows, recipe.augmentation)
        channels = self.model.input_shape[-1]
        views: Optional[Views] = None
        for number, phase in enumerate(self.phases):
            steps = total_steps(len(windows), recipe.epochs * phase.share)
            if number < fit.phase:
                advance(steps * BATCH)
                continue
            rates = learning_rates(steps, recipe.learning_rate * phase.rate)
            advance(fit.step * BATCH)
            if views is None or not phase.sees_as(self.phases[number - 1]):
                views = self._views(number, windows, augment, targets, recipe, seed)
            while fit.step < steps:
                while len(fit.order) < STEPS * BATCH:
                    fit.order = np.concatenate([fit.order, fit.rng.permutation(len(windows))])
                chosen, fit.order = fit.order[: STEPS * BATCH], fit.order[STEPS * BATCH :]
                shown, heard = views.show(chosen, fit.rng, phase.hears)
                if self._steady and fit.footing.is_due():
                    fit.footing.keep(self.model.get_weights())
                if phase.samples is not None:
                    shown = parts(shown, phase.samples, fit.rng)
                loss, mean_loss = self._loops[number](
                    _in_steps(np.ascontiguousarray(shown[..., :channels])),
                    _in_steps(hard[chosen]),
                    _in_steps(soft[chosen]),
                    {name: _in_steps(answer) for name, answer in heard.items()},
                    rates[fit.step : fit.step + STEPS] * np.float32(fit.footing.share),
                    np.float32(recipe.weight_decay),
                    np.float32(targets.temperature),
                    np.float32(targets.mixing),
                )
                fit.step += STEPS
                if self._steady and fit.footing.slips(float(mean_loss)):
                    self.model.set_weights(fit.footing.weights)
                    self._forget_momenta()
                elif not np.isfinite(loss):
                    raise UserError(
                        f"{self.model.name}: training diverged (loss {float(loss)}) at step {fit.step} of "
                        f"{steps}; check the data for samples far outside the sensor's range."
                    )
                advance(STEPS * BATCH)
                if checkpoint is not None:
                    checkpoint.save_at_times(lambda: self._state(fit))
            fit.phase, fit.step, fit.footing = number + 1, 0, Footing()
            self._forget_momenta()
        if checkpoint is not None:
            checkpoint.save(self._state(fit))
        return self.model

    def _views(
        self,
        number: int,
        windows: FloatArray,
        augment: Augmenter,
        targets: Targets,
        recipe: Recipe,
        seed: int,
    ) -> Views:
        """Return the views of a phase and of all others that see alike, the same whichever asks."""
        phase = self.phases[number]
        alike = [n for n, other in enumerate(self.phases) if other.sees_as(phase)]
        passes = recipe.epochs * sum(self.phases[n].share for n in alike)
        # What all of them hear is asked for at once: a teacher's features cost no more beside its logits.
        hears = tuple(dict.fromkeys(name for n in alike for name in self.phases[n].hears))
        return Views(windows, augment, targets.teacher, hears, passes, (seed, alike[0]), phase.blended)

    def _classes(self) -> int:
        output = self.model.output
        return int((output["logits"] if isinstance(output, dict) else output).shape[-1])

    def _start_anew(self, seed: int) -> None:
        from mcukd.tensorflow_setup import keras

        keras.utils.set_random_seed(seed)
        with _drawing_alone(seed):
            self.model.set_weights(self._build().get_weights())
        self._forget_momenta()

    def _forget_momenta(self) -> None:
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
            **(fit.footing.state() if self._steady else {}),
        }

    def _resume(self, checkpoint: Checkpoint, fresh: _Fit) -> _Fit:
        """Return how far the checkpoint's fit had come, its weights in place; `fresh` where there is none."""
        stored = checkpoint.load()
        if stored is None:
            return fresh
        self.model.set_weights([stored[f"weight{n}"] for n in range(len(self.model.get_weights()))])
        for n, variable in enumerate(self._optimizer.variables):
            variable.assign(stored[f"momentum{n}"])
        fresh.rng.bit_generator.state = json.loads(str(stored["random"]))
        footing = Footing.of(stored) if self._steady else Footing()
        return _Fit(fresh.rng, int(stored["phase"]), int(stored["step"]), stored["order"], footing)


@contextmanager
def _drawing_alone(seed: int) -> Iterator[None]:
    """Let Keras draw its initializers' seeds from `seed` alone.

    It takes them from Python's global generator, from which other threads draw as well: those of a Dask
    worker changed the first weights now and then, and so the results.
    """
    ours, everyones, me = random.Random(seed), random.randint, threading.get_ident()

    def randint(low: int, high: int) -> int:
        return (ours.randint if threading.get_ident() == me else everyones)(low, high)

    random.randint = randint  # type: ignore[assignment]
    try:
        yield
    finally:
        random.randint = everyones


@dataclass
class _Fit:
    """How far a fit has come: phases finished, steps of the one under way, windows still to come."""

    rng: np.random.Generator
    phase: int = 0
    step: int = 0
    order: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    footing: Footing = field(default_factory=Footing)


def parts(windows: FloatArray, samples: int, rng: np.random.Generator) -> FloatArray:
    """Return as many samples (n, samples, C) of each window (n, T, C), from one drawn by chance."""
    first = rng.integers(windows.shape[1] - samples + 1, size=len(windows))
    return windows[np.arange(len(windows))[:, None], first[:, None] + np.arange(samples)]


def one_hot(labels: NDArray[np.int64], classes: int) -> FloatArray:
    """Return labels (N,) as (N, K) float32 with a single one in each row."""
    return np.eye(classes, dtype=np.float32)[labels]


def answering(model: keras.Model) -> keras.Model:
    """Return the model with its logits as the only output; those in training may have others beside."""
    from mcukd.tensorflow_setup import keras

    if not isinstance(model.output, dict):
        return model
    return keras.Model(model.inputs, model.output["logits"], name=model.name)


def logits(model: keras.Model, windows: FloatArray) -> FloatArray:
    """Return the model's logits (N, K) for windows (N, T, C)."""
    parts = [model(windows[start : start + 512], training=False) for start in range(0, len(windows), 512)]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def _in_steps(array: FloatArray) -> FloatArray:
    return array.reshape(STEPS, BATCH, *array.shape[1:])


def _training_loop(model: keras.Model, optimizer: Any, phase: Phase, compiled: bool) -> Callable[..., Any]:
    from mcukd.tensorflow_setup import tensorflow as tf

    variables = model.trainable_variables if phase.trains is None else phase.trains(model)
    # Only matrices decay: biases, BN scales and shifts are few and need their size.
    matrices = [v for v in variables if len(v.shape) > 1]

    def run(counts, hard, soft, heard, rates, decay, temperature, mixing):  # type: ignore[no-untyped-def]
        loss = total = tf.constant(0.0)
        for step in tf.range(STEPS):
            with tf.GradientTape() as tape:
                outputs = model(counts[step], training=True)
                if not isinstance(outputs, dict):
                    outputs = {"logits": outputs}
                answers = {name: answer[step] for name, answer in heard.items()}
                loss = phase.loss(Signals(outputs, answers, hard[step], soft[step], temperature, mixing))
            gradients = tape.gradient(loss, variables)
            # A phase's loss may not depend on all that it may train, a head before it is used, say.
            changes = [(change, v) for change, v in zip(gradients, variables) if change is not None]
            # Back through hundreds of samples a gradient may overflow: such a step teaches nothing.
            sound = tf.math.is_finite(tf.linalg.global_norm([change for change, _ in changes]))
            optimizer.learning_rate.assign(rates[step])
            optimizer.apply_gradients([(tf.where(sound, change, 0.0), v) for change, v in changes])
            for variable in matrices:
                variable.assign(variable * (1 - rates[step] * decay))
            total += loss
        return loss, total / STEPS

    return tf.function(run, jit_compile=compiled)
