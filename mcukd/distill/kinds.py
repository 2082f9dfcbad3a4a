"""The networks that can be teachers and students, by the names that options know. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from mcukd.distill.phases import LABELS, Phase, Signals, from_labels, part_lengths
from mcukd.models import filter_mlp, gru_mlp, mobilenet, resnet, tsak

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from mcukd.distill.config import DistillConfig


class Pace(NamedTuple):
    """How long and in how large steps a student learns: passes over the windows, highest learning rate.

    steady: whether a fit that loses what it knew goes back (`mcukd.distill.footing`).
    """

    epochs: int
    learning_rate: float
    steady: bool = False


#: Of a structure that names no other.
USUAL = Pace(40, 1e-2)


class Shape(NamedTuple):
    """T samples, C channels and K classes of a data set's windows; T is 0 for windows of any length."""

    steps: int
    channels: int
    classes: int


@dataclass(frozen=True)
class Kind:
    """A network.

    build: a model with fresh weights from counts (N, T, C) to logits (N, K), given mean and variance (C,) of
    the counts. parameters, macs: trained parameters, and multiply-accumulates of one window. compiled:
    whether XLA makes its training faster. pace: as a student, unless options say otherwise; long_pace: where
    windows are long enough to grow, None for the same. phases: of its training on labels. twin: builds the
    same network, layers of the same names among them, for methods that look inside; None where the network
    itself will do. grows: whether it takes windows of any length, and learns parts of them first
    (`phases.grown`).
    """

    name: str
    build: Callable[[Shape, DistillConfig, ArrayLike, ArrayLike], keras.Model]
    parameters: Callable[[Shape, DistillConfig], int]
    macs: Callable[[Shape, DistillConfig], int]
    compiled: bool = False
    pace: Pace = USUAL
    long_pace: Optional[Pace] = None
    phases: tuple[Phase, ...] = (LABELS,)
    twin: Optional[Callable[[Shape, DistillConfig, ArrayLike, ArrayLike], keras.Model]] = None
    grows: bool = False

    def usual_pace(self, steps: int) -> Pace:
        """Return the pace for windows of `steps` samples."""
        return self.long_pace if self.long_pace and part_lengths(steps) else self.pace

    def sizes(self, shape: Shape, config: DistillConfig) -> dict[str, int]:
        """Return `parameters` and `macs_per_window`, as `metrics.json` has them."""
        return {"parameters": self.parameters(shape, config), "macs_per_window": self.macs(shape, config)}


def _gru_mlp(
    shape: Shape, config: DistillConfig, mean: ArrayLike, variance: ArrayLike, **how: Any
) -> keras.Model:
    return gru_mlp.build_student(*shape, mean, variance, config.gru_units, config.dense_units, **how)


GRU_MLP = Kind(
    "gru-mlp",
    _gru_mlp,
    lambda s, c: gru_mlp.student_parameters(s.channels, s.classes, c.gru_units, c.dense_units),
    lambda s, c: gru_mlp.student_macs_per_window(*s, c.gru_units, c.dense_units),
    compiled=True,
    pace=Pace(40, 2e-2),
    # Of long windows it learns little in 40 passes, and of short ones too much in 160. At a rate that is high
    # enough for the former, fits are lost now and then unless they may go back (docs/distillation.md).
    long_pace=Pace(160, 2e-2, steady=True),
    twin=lambda *arguments: _gru_mlp(*arguments, sequences=True),
    grows=True,
)
FILTER_MLP = Kind(
    "filter-mlp",
    lambda s, c, mean, variance: filter_mlp.build_filter_mlp(*s, mean, variance),
    lambda s, c: filter_mlp.filter_mlp_parameters(s.channels, s.classes),
    lambda s, c: filter_mlp.filter_mlp_macs_per_window(*s),
    compiled=True,
    pace=Pace(40, 3e-2),
)
RESNET = Kind(
    "resnet",
    lambda s, c, mean, variance: resnet.build_resnet(*s, mean, variance, c.teacher_width),
    lambda s, c: resnet.resnet_parameters(s.channels, s.classes, c.teacher_width),
    lambda s, c: resnet.resnet_macs_per_window(*s, c.teacher_width),
    grows=True,
)


def _mobilenet(*, slim: bool) -> Kind:
    how: dict[str, Any] = {"slim": slim, "head": "memory"}
    return Kind(
        "mobilenet",
        lambda s, c, mean, variance: mobilenet.build_mobilenet(*s, mean, variance, **how),
        lambda s, c: mobilenet.mobilenet_parameters(s.channels, s.classes, **how),
        lambda s, c: mobilenet.mobilenet_macs_per_window(*s, **how),
        # A pass takes it some fifty times as long as a GRU-MLP student.
        pace=Pace(10, 1e-2),
    )


def _tsak_loss(names: Sequence[str]) -> Callable[[Signals], Any]:
    """Return the sum of the losses of the teacher's own classifiers on the labels."""
    return lambda signals: sum(
        from_labels(signals._replace(outputs={"logits": signals.outputs[name]})) for name in names
    )


TSAK = Kind(
    "tsak",
    lambda s, c, mean, variance: tsak.build_tsak(*s, mean, variance),
    lambda s, c: tsak.tsak_parameters(*s),
    lambda s, c: tsak.tsak_macs_per_window(*s),
    phases=(
        Phase("representations", _tsak_loss(tsak.STAGE_ONE), trains=lambda m: tsak.stage_variables(m, 1)),
        Phase("semantics", _tsak_loss(("logits",)), share=0.3, trains=lambda m: tsak.stage_variables(m, 2)),
    ),
    twin=lambda s, c, mean, variance: tsak.with_all_logits(tsak.build_tsak(*s, mean, variance)),
)

STUDENTS = {kind.name: kind for kind in (GRU_MLP, _mobilenet(slim=True), FILTER_MLP)}
TEACHERS = {kind.name: kind for kind in (RESNET, _mobilenet(slim=False), TSAK)}

#: Several networks of the first kind of teacher, each of which left out some of the training animals.
ENSEMBLE = "ensemble"
#: Several of that kind and several students, all of which saw every training animal.
COMMITTEE = "committee"
