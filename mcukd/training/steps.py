"""Optimizer steps as TensorFlow compiles them: many of one phase in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mcukd.training.context import CarriedState, context_steps
from mcukd.training.losses import LossInputs
from mcukd.training.phases import Phase

if TYPE_CHECKING:
    import keras

BATCH = 64
#: Steps per call into TensorFlow. A phase is a whole number of calls, so that every call has the same shape.
STEPS_PER_EXECUTION = 32


def in_steps(array: NDArray[Any]) -> NDArray[Any]:
    """Return windows or their targets (STEPS_PER_EXECUTION · BATCH, …) as (steps, batch, …)."""
    return array.reshape(STEPS_PER_EXECUTION, BATCH, *array.shape[1:])


def training_steps(
    model: keras.Model,
    optimizer: Any,
    phase: Phase,
    jit_compile: bool,
    carried: CarriedState | None = None,
) -> Callable[..., Any]:
    """Return the compiled function that makes STEPS_PER_EXECUTION steps of a phase, and returns their loss.

    It takes counts (steps, batch, T, C), hard and soft labels (steps, batch, K), the teacher's outputs by
    name, learning rates (steps,), weight decay, temperature and alpha, and with `carried` the first sample
    that makes each window's state (steps, batch) and the sample before which there is none; it returns the
    last loss and the mean of all.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    variables = model.trainable_variables if phase.trains is None else phase.trains(model)

    def behind_context(samples, before, step):  # type: ignore[no-untyped-def]
        if carried is None:
            return samples, ()
        first, begin = before
        made = context_steps(samples.shape[1])
        return samples[:, made:], carried.state(model, samples[:, :made], first[step], begin)

    def outputs_of(windows, state):  # type: ignore[no-untyped-def]
        return model(windows, training=True) if carried is None else carried.outputs(model, windows, state)

    def run(counts, hard, soft, teacher_outputs, rates, decay, temperature, alpha, *before):  # type: ignore[no-untyped-def]
        loss = total = tf.constant(0.0)
        for step in tf.range(STEPS_PER_EXECUTION):
            windows, state = behind_context(counts[step], before, step)
            with tf.GradientTape() as tape:
                outputs = outputs_of(windows, state)
                if not isinstance(outputs, dict):
                    outputs = {"logits": outputs}
                of_teacher = {name: output[step] for name, output in teacher_outputs.items()}
                loss = phase.loss(LossInputs(outputs, of_teacher, hard[step], soft[step], temperature, alpha))
            gradients = tape.gradient(loss, variables)
            # A phase's loss may not depend on every variable it trains, for example on a head not yet used.
            updates = [(gradient, v) for gradient, v in zip(gradients, variables) if gradient is not None]
            # Gradients through hundreds of samples may overflow; such a step is skipped.
            finite = tf.math.is_finite(tf.linalg.global_norm([gradient for gradient, _ in updates]))
            optimizer.learning_rate.assign(rates[step])
            optimizer.apply_gradients([(tf.where(finite, gradient, 0.0), v) for gradient, v in updates])
            # Only matrices decay: biases, batch-normalization scales and shifts are few and need their size.
            # None decays in a phase that does not train it: a later one may read it, as inherited memory.
            for _, variable in updates:
                if len(variable.shape) > 1:
                    variable.assign(variable * (1 - rates[step] * decay))
            total += loss
        return loss, total / STEPS_PER_EXECUTION

    return tf.function(run, jit_compile=jit_compile)
