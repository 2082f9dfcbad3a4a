"""Registry of the networks that can be teachers and students, by their option names. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from mcukd.models import filter_mlp, gru_mlp, mobilenet, resnet, tsak
from mcukd.training.losses import LossInputs, soft_label_loss
from mcukd.training.phases import LABELS, Phase, crop_lengths

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from mcukd.distillation.config import DistillConfig


class TrainingDefaults(NamedTuple):
    """Default hyperparameters of a student: epochs and peak learning rate.

    rollback: whether a diverging fit returns to earlier weights (`mcukd.training.rollback`).
    """

    epochs: int
    learning_rate: float
    rollback: bool = False


#: Defaults of an architecture that names none.
DEFAULTS = TrainingDefaults(40, 1e-2)


class Shape(NamedTuple):
    """T samples, C channels and K classes of a data set's windows; T is 0 for windows of any length."""

    steps: int
    channels: int
    classes: int


@dataclass(frozen=True)
class Architecture:
    """A network that can be trained.

    build: returns a model with fresh weights from counts (N, T, C) to logits (N, K), given mean and variance
    (C,) of the counts. parameters, macs: trained parameters, and multiply-accumulates of one window.
    jit_compile: whether XLA makes its training faster. defaults: as a student. long_defaults: as a student of
    windows long enough for the length curriculum; None for `defaults`. phases: of its training on labels.
    build_with_features: builds the same network with the outputs that distillation methods match, in layers
    of the same names; None where `build` has them. uses_length_curriculum: whether it accepts windows of any
    length, and is trained on crops first (`length_curriculum`).
    """

    name: str
    build: Callable[[Shape, DistillConfig, ArrayLike, ArrayLike], keras.Model]
    parameters: Callable[[Shape, DistillConfig], int]
    macs: Callable[[Shape, DistillConfig], int]
    jit_compile: bool = False
    defaults: TrainingDefaults = DEFAULTS
    long_defaults: Optional[TrainingDefaults] = None
    phases: tuple[Phase, ...] = (LABELS,)
    build_with_features: Optional[Callable[[Shape, DistillConfig, ArrayLike, ArrayLike], keras.Model]] = None
    uses_length_curriculum: bool = False

    def defaults_for(self, steps: int) -> TrainingDefaults:
        """Return the defaults for windows of `steps` samples."""
        return self.long_defaults if self.long_defaults and crop_lengths(steps) else self.defaults

    def sizes(self, shape: Shape, config: DistillConfig) -> dict[str, int]:
        """Return `parameters` and `macs_per_window`, as `metrics.json` has them."""
        return {"parameters": self.parameters(shape, config), "macs_per_window": self.macs(shape, config)}


def _gru_mlp(
    shape: Shape, config: DistillConfig, mean: ArrayLike, variance: ArrayLike, **options: Any
) -> keras.Model:
    return gru_mlp.build_student(*shape, mean, variance, config.gru_units, config.dense_units, **options)


GRU_MLP = Architecture(
    "gru-mlp",
    _gru_mlp,
    lambda s, c: gru_mlp.student_parameters(s.channels, s.classes, c.gru_units, c.dense_units),
    lambda s, c: gru_mlp.student_macs_per_window(*s, c.gru_units, c.dense_units),
    jit_compile=True,
    defaults=TrainingDefaults(40, 2e-2),
    # 40 epochs underfit long windows, and 160 overfit short ones. At a rate high enough for long windows some
    # fits diverge, unless they may be rolled back (docs/reference/distillation.md).
    long_defaults=TrainingDefaults(160, 2e-2, rollback=True),
    build_with_features=lambda *arguments: _gru_mlp(*arguments, sequences=True),
    uses_length_curriculum=True,
)
FILTER_MLP = Architecture(
    "filter-mlp",
    lambda s, c, mean, variance: filter_mlp.build_filter_mlp(*s, mean, variance),
    lambda s, c: filter_mlp.filter_mlp_parameters(s.channels, s.classes),
    lambda s, c: filter_mlp.filter_mlp_macs_per_window(*s),
    jit_compile=True,
    defaults=TrainingDefaults(40, 3e-2),
)
RESNET = Architecture(
    "resnet",
    lambda s, c, mean, variance: resnet.build_resnet(*s, mean, variance, c.teacher_width),
    lambda s, c: resnet.resnet_parameters(s.channels, s.classes, c.teacher_width),
    lambda s, c: resnet.resnet_macs_per_window(*s, c.teacher_width),
    uses_length_curriculum=True,
)


def _mobilenet(*, slim: bool) -> Architecture:
    options: dict[str, Any] = {"slim": slim, "head": "memory"}
    return Architecture(
        "mobilenet",
        lambda s, c, mean, variance: mobilenet.build_mobilenet(*s, mean, variance, **options),
        lambda s, c: mobilenet.mobilenet_parameters(s.channels, s.classes, **options),
        lambda s, c: mobilenet.mobilenet_macs_per_window(*s, **options),
        # An epoch takes some fifty times as long as that of a GRU-MLP student.
        defaults=TrainingDefaults(10, 1e-2),
    )


def _tsak_loss(outputs: Sequence[str]) -> Callable[[LossInputs], Any]:
    """Return the sum of the losses of the named classifiers on the labels."""
    return lambda inputs: sum(
        soft_label_loss(inputs._replace(outputs={"logits": inputs.outputs[name]})) for name in outputs
    )


TSAK = Architecture(
    "tsak",
    lambda s, c, mean, variance: tsak.build_tsak(*s, mean, variance),
    lambda s, c: tsak.tsak_parameters(*s),
    lambda s, c: tsak.tsak_macs_per_window(*s),
    phases=(
        Phase("representations", _tsak_loss(tsak.STAGE_ONE), trains=lambda m: tsak.stage_variables(m, 1)),
        Phase(
            "semantics",
            _tsak_loss(("logits",)),
            epoch_fraction=0.3,
            trains=lambda m: tsak.stage_variables(m, 2),
        ),
    ),
    build_with_features=lambda s, c, mean, variance: tsak.with_all_logits(
        tsak.build_tsak(*s, mean, variance)
    ),
)

STUDENTS = {one.name: one for one in (GRU_MLP, _mobilenet(slim=True), FILTER_MLP)}
TEACHERS = {one.name: one for one in (RESNET, _mobilenet(slim=False), TSAK)}

#: Several networks of the first teacher architecture, each trained without some of the training animals.
ENSEMBLE = "ensemble"
#: Several of those and several students, all trained on every training animal.
MIXED_ENSEMBLE = "mixed-ensemble"
