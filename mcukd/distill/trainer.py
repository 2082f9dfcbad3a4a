"""The one training loop, shared by the teacher and every student.

TensorFlow compiles a step once per model and batch shape; compiling takes seconds where a whole fit takes
ten. So a Trainer lives as long as its process, and each fit starts it anew from weights drawn by its seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.distill.augment import Augmentation, Augmenter
from mcukd.errors import UserError

if TYPE_CHECKING:
    import keras

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
    temperature, mixing: of the distillation loss.
    """

    labels: NDArray[np.int64]
    soft: Optional[FloatArray] = None
    temperature: float = 1.0
    mixing: float = 0.0


def total_steps(windows: int, epochs: int) -> int:
    """Return the optimizer steps of `epochs` passes, rounded to whole calls of STEPS steps."""
    return max(1, round(epochs * windows / BATCH / STEPS)) * STEPS


def windows_presented(windows: int, epochs: int) -> int:
    """Return how many windows a fit of `epochs` passes shows to the model."""
    return total_steps(windows, epochs) * BATCH


def learning_rates(steps: int, peak: float) -> FloatArray:
    """Return the schedule (steps,): a tenth of linear warm-up, then half a cosine down to zero."""
    step = np.arange(steps)
    warm_up = max(1, steps // 10)
    rest = np.clip((step - warm_up) / max(1, steps - warm_up), 0, 1)
    return (peak * np.minimum((step + 1) / warm_up, 0.5 * (1 + np.cos(np.pi * rest)))).astype(np.float32)


class Trainer:
    """Trains one architecture again and again.

    `compiled` has XLA compile the step: four times faster for the GRU, many times slower for convolutions
    (docs/distillation.md has the measurements).
    """

    def __init__(self, build: Callable[[], keras.Model], *, compiled: bool) -> None:
        import keras

        self._build = build
        self.model = build()
        model = self.model
        self._optimizer = keras.optimizers.Adam(global_clipnorm=1.0)
        self._optimizer.build(model.trainable_variables)
        self._run = _training_loop(model, self._optimizer, compiled)

    def fit(
        self,
        windows: FloatArray,
        targets: Targets,
        recipe: Recipe,
        seed: int,
        advance: Callable[[int], None] = lambda windows: None,
    ) -> keras.Model:
        """Train from fresh weights on windows (N, T, C) and return the model, which the next fit will reuse.

        advance is told how many windows were presented. The same arguments give the same weights on the
        same machine. Raises UserError where training diverges.
        """
        from mcukd.distill.soft_labels import one_hot

        self._start_anew(seed)
        rng = np.random.default_rng(seed)
        hard = one_hot(targets.labels, self.model.output_shape[-1])
        soft = np.zeros_like(hard) if targets.soft is None else targets.soft.astype(np.float32)
        augment = Augmenter(windows, recipe.augmentation)
        rates = learning_rates(total_steps(len(windows), recipe.epochs), recipe.learning_rate)
        order: NDArray[np.int64] = np.empty(0, np.int64)
        for start in range(0, len(rates), STEPS):
            while len(order) < STEPS * BATCH:
                order = np.concatenate([order, rng.permutation(len(windows))])
            chosen, order = order[: STEPS * BATCH], order[STEPS * BATCH :]
            batches = augment(windows[chosen], rng)
            loss = self._run(
                batches.reshape(STEPS, BATCH, *windows.shape[1:]),
                hard[chosen].reshape(STEPS, BATCH, -1),
                soft[chosen].reshape(STEPS, BATCH, -1),
                rates[start : start + STEPS],
                np.float32(recipe.weight_decay),
                np.float32(targets.temperature),
                np.float32(targets.mixing),
            )
            if not np.isfinite(loss):
                raise UserError(
                    f"{self.model.name}: training diverged (loss {float(loss)}) at step {start + STEPS} of "
                    f"{len(rates)}; check the data for samples far outside the sensor's range."
                )
            advance(STEPS * BATCH)
        return self.model

    def _start_anew(self, seed: int) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self.model.set_weights(self._build().get_weights())
        for variable in self._optimizer.variables:
            if variable is not self._optimizer.learning_rate:
                variable.assign(np.zeros(variable.shape))


def logits(model: keras.Model, windows: FloatArray) -> FloatArray:
    """Return the model's logits (N, K) for windows (N, T, C)."""
    parts = [model(windows[start : start + 512], training=False) for start in range(0, len(windows), 512)]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def _training_loop(model: keras.Model, optimizer: Any, compiled: bool) -> Callable[..., Any]:
    import tensorflow as tf

    from mcukd.distill.soft_labels import distillation_loss

    # Only matrices decay: biases, BN scales and shifts are few and need their size.
    matrices = [v for v in model.trainable_variables if len(v.shape) > 1]

    def run(counts, hard, soft, rates, decay, temperature, mixing):  # type: ignore[no-untyped-def]
        loss = tf.constant(0.0)
        for step in tf.range(STEPS):
            with tf.GradientTape() as tape:
                loss = distillation_loss(
                    model(counts[step], training=True), hard[step], soft[step], temperature, mixing
                )
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.learning_rate.assign(rates[step])
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            for variable in matrices:
                variable.assign(variable * (1 - rates[step] * decay))
        return loss

    return tf.function(run, jit_compile=compiled)
