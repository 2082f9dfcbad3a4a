"""SMLDist: stage, memory and logits distillation (arXiv 2107.07331). docs/methods.md says what is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcukd.distill.methods.method import Method
from mcukd.distill.phases import Phase, Signals

if TYPE_CHECKING:
    import keras

    from mcukd.distill.config import DistillConfig
    from mcukd.distill.teachers import Teacher

#: Anchors at which teacher and student are matched, as `mcukd.models.mobilenet` names them.
ANCHORS = ("anchor1", "anchor2", "anchor3", "anchor4")
#: Passes of all stages together, as a multiple of the recipe's; the last phase has the recipe's own.
STAGES_SHARE = 0.5
#: Weight of the soft term beside the hard labels, 1 as published.
RATIO = 1.0
#: Output of the pupil with a GRU: scores of the teacher's memory, recalled from the student's embedding.
RECALLED = "recalled"


class SmlDist(Method):
    """Match the teacher's anchors stage by stage, inherit its memory, then learn labels and its logits."""

    name = "smldist"
    title = "features stage by stage in time and frequency, the teacher's memory, then its logits"
    teachers = ("mobilenet",)
    students = ("mobilenet", "gru-mlp", "filter-mlp")
    parts = ("stage", "frequency", "memory", "logits")
    uses_soft_labels = False
    version = Method.version + 1
    looks_inside = True

    def phases(self, config: DistillConfig) -> tuple[Phase, ...]:
        """Return the stages, one after another and before any label is used, and the phase with labels.

        A GRU has one sequence of states for all anchors, so that its stages are one phase; the filter-MLP
        has no sequence, so it has none.
        """
        last = Phase(
            "logits",
            lambda signals: _last_loss(signals, config),
            hears=("logits",) if config.uses("logits") else (),
        )
        if not config.uses("stage") or config.student == "filter-mlp":
            return (last,)
        weight = 0.0 if not config.uses("frequency") else config.frequency
        if config.student != "mobilenet":
            matched = Phase("stages", lambda s: _features_loss(s, ANCHORS, weight), ANCHORS, STAGES_SHARE)
            return (matched, last)
        return (*(_stage(number, weight) for number in range(len(ANCHORS))), last)

    def pupil(self, student: keras.Model, teacher: keras.Model, config: DistillConfig) -> keras.Model:
        """Return the student with its anchors as outputs; a GRU gets adapters that are dropped afterwards."""
        from mcukd.tensorflow_setup import keras

        outputs = {"logits": student.get_layer("logits").output}
        if config.student == "mobilenet":
            outputs.update({name: student.get_layer(name).output for name in ANCHORS})
        elif config.student == "gru-mlp" and config.uses("stage"):
            states = student.get_layer("states").output
            outputs.update({name: _adapted(states, teacher, name) for name in ANCHORS})
        if config.student != "mobilenet" and config.uses("memory"):
            outputs[RECALLED] = _recalled(student.get_layer("dense").output, teacher)
        return keras.Model(student.inputs, outputs, name=student.name)

    def begin(self, pupil: keras.Model, teacher: Teacher, config: DistillConfig) -> None:
        """Copy the teacher's memory."""
        from mcukd.models.hopfield import inherit_head

        if not config.uses("memory"):
            return
        if config.student == "mobilenet":
            inherit_head(pupil, teacher.model)
        else:
            pupil.get_layer("memory").set_weights(teacher.model.get_layer("memory").get_weights())


def _stage(number: int, weight: float) -> Phase:
    def trains(pupil: keras.Model) -> list[Any]:
        """Return the variables between the anchor before and this one."""
        from mcukd.tensorflow_setup import keras

        def up_to(anchor: str) -> list[Any]:
            return keras.Model(pupil.inputs, pupil.get_layer(anchor).output).trainable_variables

        before = {id(v) for v in up_to(ANCHORS[number - 1])} if number else set()
        return [v for v in up_to(ANCHORS[number]) if id(v) not in before]

    name = ANCHORS[number]
    return Phase(
        f"stage {number + 1}",
        lambda signals: _features_loss(signals, (name,), weight),
        (name,),
        STAGES_SHARE / len(ANCHORS),
        trains=trains,
    )


def _features_loss(signals: Signals, anchors: tuple[str, ...], weight: float) -> Any:
    """Return how far the student's features (B, T, F) are from the teacher's, mean over the anchors.

    Squared error in time, and weighted beside it that of the magnitudes of the spectra over time, which do
    not mind that a recurrent student comes to know things some samples later. Both relative to the power of
    the teacher's, so that anchors count alike.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    total = tf.constant(0.0)
    for name in anchors:
        ours, theirs = signals.outputs[name], signals.heard[name]
        total += _relative_error(ours, theirs)
        if weight:
            total += weight * _relative_error(_magnitudes(ours), _magnitudes(theirs))
    return total / len(anchors)


def _relative_error(ours: Any, theirs: Any) -> Any:
    from mcukd.tensorflow_setup import tensorflow as tf

    return tf.reduce_mean(tf.square(ours - theirs)) / (tf.reduce_mean(tf.square(theirs)) + 1e-6)


def _magnitudes(features: Any) -> Any:
    """Return the magnitudes of the spectra over time (B, F, T // 2 + 1) of features (B, T, F)."""
    from mcukd.tensorflow_setup import tensorflow as tf

    spectrum = tf.signal.rfft(tf.transpose(features, (0, 2, 1)))
    # The root is smoothed: its slope at silence would be infinite.
    return tf.sqrt(tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum)) + 1e-6)


def _last_loss(signals: Signals, config: DistillConfig) -> Any:
    """Return CE(hard labels) + ratio · CE(teacher), for the logits and for what the memory recalls."""
    from mcukd.tensorflow_setup import tensorflow as tf

    total = tf.constant(0.0)
    for name in ("logits", RECALLED):
        if name not in signals.outputs:
            continue
        scores = signals.outputs[name]
        total += tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(signals.hard, scores))
        if config.uses("logits"):
            target = _teacher_target(signals.heard["logits"], signals.hard)
            soft = tf.nn.softmax_cross_entropy_with_logits(target, tf.math.l2_normalize(scores, axis=-1))
            total += RATIO * tf.reduce_mean(soft)
    return total


def _teacher_target(logits: Any, hard: Any) -> Any:
    """Return softmax(logits / ‖logits‖), and the label where the teacher is wrong: (B, K)."""
    from mcukd.tensorflow_setup import tensorflow as tf

    right = tf.equal(tf.argmax(logits, axis=-1), tf.argmax(hard, axis=-1))
    return tf.where(right[:, None], tf.nn.softmax(tf.math.l2_normalize(logits, axis=-1)), hard)


def _adapted(states: Any, teacher: keras.Model, name: str) -> Any:
    """Return states (N, T, H) as features of an anchor's shape (N, T′, F): averaged over time, then mixed."""
    from mcukd.tensorflow_setup import keras

    anchor = teacher.get_layer(name).output
    stride = -(-teacher.input_shape[1] // anchor.shape[1])
    pooled = keras.layers.AveragePooling1D(stride, padding="same", name=f"{name}_pooled")(states)
    return keras.layers.Dense(anchor.shape[2], name=name)(pooled)


def _recalled(embedding: Any, teacher: keras.Model) -> Any:
    """Return the class scores (N, K) of a memory like the teacher's, asked with the student's embedding."""
    from mcukd.models.hopfield import HopfieldMemory
    from mcukd.tensorflow_setup import keras

    memory = teacher.get_layer("memory")
    asked = keras.layers.Dense(teacher.get_layer("embedding").output.shape[-1], name="question")(embedding)
    return HopfieldMemory(memory.patterns, memory.classes, name="memory")(asked)
