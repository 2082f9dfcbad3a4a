"""SMLDist: stage, memory and logits distillation (arXiv 2107.07331).

docs/reference/methods.md lists what the paper gives and what is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mcukd.distillation.methods.method import Method, MethodSettings
from mcukd.distillation.options import Option
from mcukd.errors import UserError
from mcukd.training.losses import LossInputs
from mcukd.training.phases import Phase

if TYPE_CHECKING:
    import keras

    from mcukd.distillation.teacher import Teacher

#: Layers at which teacher and student features are matched, as `mcukd.models.mobilenet` names them.
ANCHORS = ("anchor1", "anchor2", "anchor3", "anchor4")
#: Epochs of all stages together, as a fraction of the configured ones; the last phase has all of these.
STAGES_FRACTION = 0.5
#: Weight of the soft term beside the hard labels, 1 as published.
RATIO = 1.0
#: Output of a GRU's training model: class scores of the teacher's memory for the student's embedding.
MEMORY_LOGITS = "memory_logits"
#: With `--choose-spectral-weight`, the weight is chosen among these multiples of `--spectral-weight`.
WEIGHT_FACTORS = (0, 1 / 3, 1, 3)


class SmlDist(Method):
    """Match the teacher's anchors stage by stage, inherit its memory, then learn labels and its logits."""

    name = "smldist"
    title = "features stage by stage in time and frequency, the teacher's memory, then its logits"
    teachers = ("mobilenet",)
    students = ("mobilenet", "gru-mlp", "filter-mlp")
    parts = ("stage", "frequency", "memory", "logits")
    options = (
        Option("spectral_weight", float, 0.3, "Weight of the spectral term of smldist.", low=0, high=100),
        Option(
            "choose_spectral_weight",
            bool,
            False,
            "Choose that weight in each fold on inner animals: 0, a third, once or three times "
            "--spectral-weight.",
        ),
    )
    uses_soft_labels = False
    version = Method.version + 2
    needs_features = True

    def check(self, settings: MethodSettings) -> None:
        """Raise UserError where the weight of a spectral term is to be chosen and there is no such term."""
        if settings.options["choose_spectral_weight"] and not self._has_spectral_term(settings):
            ablate = f" --ablate {','.join(settings.ablate)}" if settings.ablate else ""
            raise UserError(
                "--choose-spectral-weight asks for the spectral term of smldist's stages, and there is none "
                f"with --method {settings.method} --student {settings.student}{ablate} --spectral-weight "
                f"{settings.options['spectral_weight']:g}; leave it out."
            )

    def candidates(self, settings: MethodSettings) -> Sequence[Mapping[str, Any]]:
        """Return the weights of the spectral term to choose among, where one is to be chosen."""
        if not settings.options["choose_spectral_weight"]:
            return ()
        weight = settings.options["spectral_weight"]
        return [{"spectral_weight": float(f"{factor * weight:.4g}")} for factor in WEIGHT_FACTORS]

    def _has_spectral_term(self, settings: MethodSettings) -> bool:
        staged = settings.method == self.name and self._has_stages(settings)
        return staged and settings.uses("frequency") and settings.options["spectral_weight"] > 0

    def _has_stages(self, settings: MethodSettings) -> bool:
        # The filter-MLP has no sequence to match the anchors with.
        return settings.uses("stage") and settings.student != "filter-mlp"

    def phases(self, settings: MethodSettings) -> tuple[Phase, ...]:
        """Return the stages, which use no labels, and the last phase, which does.

        A GRU has one sequence of states for all anchors, so its stages are one phase; the filter-MLP has no
        sequence, so it has none.
        """
        last = Phase(
            "logits",
            lambda inputs: _last_loss(inputs, settings),
            teacher_outputs=("logits",) if settings.uses("logits") else (),
        )
        if not self._has_stages(settings):
            return (last,)
        weight = settings.options["spectral_weight"] if settings.uses("frequency") else 0.0
        if settings.student != "mobilenet":
            stages = Phase(
                "stages", lambda inputs: features_loss(inputs, ANCHORS, weight), ANCHORS, STAGES_FRACTION
            )
            return (stages, last)
        return (*(_stage(number, weight) for number in range(len(ANCHORS))), last)

    def build_training_model(
        self, student: keras.Model, teacher: keras.Model, settings: MethodSettings
    ) -> keras.Model:
        """Return the student with its anchors as outputs; a GRU gets adapter layers for training only."""
        from mcukd.tensorflow_setup import keras

        outputs = {"logits": student.get_layer("logits").output}
        if settings.student == "mobilenet":
            outputs.update({name: student.get_layer(name).output for name in ANCHORS})
        elif settings.student == "gru-mlp" and settings.uses("stage"):
            states = student.get_layer("states").output
            outputs.update({name: _adapted(states, teacher, name) for name in ANCHORS})
        if settings.student != "mobilenet" and settings.uses("memory"):
            outputs[MEMORY_LOGITS] = _memory_logits(student.get_layer("dense").output, teacher)
        return keras.Model(student.inputs, outputs, name=student.name)

    def init_from_teacher(self, model: keras.Model, teacher: Teacher, settings: MethodSettings) -> None:
        """Copy the teacher's memory."""
        from mcukd.models.hopfield import inherit_head

        if not settings.uses("memory"):
            return
        if settings.student == "mobilenet":
            inherit_head(model, teacher.model)
        else:
            model.get_layer("memory").set_weights(teacher.model.get_layer("memory").get_weights())


def _stage(number: int, weight: float) -> Phase:
    def trains(model: keras.Model) -> list[Any]:
        """Return the variables between the previous anchor and this one."""
        from mcukd.tensorflow_setup import keras

        def up_to(anchor: str) -> list[Any]:
            return keras.Model(model.inputs, model.get_layer(anchor).output).trainable_variables

        before = {id(v) for v in up_to(ANCHORS[number - 1])} if number else set()
        return [v for v in up_to(ANCHORS[number]) if id(v) not in before]

    name = ANCHORS[number]
    return Phase(
        f"stage {number + 1}",
        lambda inputs: features_loss(inputs, (name,), weight),
        (name,),
        STAGES_FRACTION / len(ANCHORS),
        trains=trains,
    )


def features_loss(inputs: LossInputs, anchors: tuple[str, ...], weight: float) -> Any:
    """Return the distance of student and teacher features (B, T, F), the mean over the anchors.

    The squared error in time, plus `weight` times that of the magnitudes of the spectra over time, which does
    not penalise a recurrent student for a delay of some samples. Both are relative to the power of the
    teacher's features, so that anchors have equal weight.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    total = tf.constant(0.0)
    for name in anchors:
        student, teacher = inputs.outputs[name], inputs.teacher_outputs[name]
        total += _relative_error(student, teacher)
        if weight:
            total += weight * _relative_error(_magnitudes(student), _magnitudes(teacher))
    return total / len(anchors)


def _relative_error(student: Any, teacher: Any) -> Any:
    from mcukd.tensorflow_setup import tensorflow as tf

    return tf.reduce_mean(tf.square(student - teacher)) / (tf.reduce_mean(tf.square(teacher)) + 1e-6)


def _magnitudes(features: Any) -> Any:
    """Return the magnitudes of the spectra over time (B, F, T // 2 + 1) of features (B, T, F)."""
    from mcukd.tensorflow_setup import tensorflow as tf

    spectrum = tf.signal.rfft(tf.transpose(features, (0, 2, 1)))
    # The square root is smoothed because its derivative at zero is infinite.
    return tf.sqrt(tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum)) + 1e-6)


def _last_loss(inputs: LossInputs, settings: MethodSettings) -> Any:
    """Return CE(hard labels) + ratio · CE(teacher), for the student's logits and those of the memory."""
    from mcukd.tensorflow_setup import tensorflow as tf

    total = tf.constant(0.0)
    for name in ("logits", MEMORY_LOGITS):
        if name not in inputs.outputs:
            continue
        scores = inputs.outputs[name]
        total += tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(inputs.hard, scores))
        if settings.uses("logits"):
            target = teacher_target(inputs.teacher_outputs["logits"], inputs.hard)
            soft = tf.nn.softmax_cross_entropy_with_logits(target, tf.math.l2_normalize(scores, axis=-1))
            total += RATIO * tf.reduce_mean(soft)
    return total


def teacher_target(logits: Any, hard: Any) -> Any:
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


def _memory_logits(embedding: Any, teacher: keras.Model) -> Any:
    """Return class scores (N, K) of a copy of the teacher's memory, with the student's embedding as query."""
    from mcukd.models.hopfield import HopfieldMemory
    from mcukd.tensorflow_setup import keras

    memory = teacher.get_layer("memory")
    query = keras.layers.Dense(teacher.get_layer("embedding").output.shape[-1], name="query")(embedding)
    return HopfieldMemory(memory.patterns, memory.classes, name="memory")(query)
