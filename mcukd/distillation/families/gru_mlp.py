"""The GRU-MLP as a student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcukd.distillation.families.architecture import Architecture, Options, Shape, TrainingDefaults
from mcukd.models import gru_mlp
from mcukd.training.context import CarriedState

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike


def _gru_mlp(
    shape: Shape, config: Options, mean: ArrayLike, variance: ArrayLike, **options: Any
) -> keras.Model:
    return gru_mlp.build_student(*shape, mean, variance, config.gru_units, config.dense_units, **options)


STUDENT = Architecture(
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
    options=("gru_units", "dense_units"),
    head_search=True,
    carried=CarriedState(gru_mlp.carried_state, gru_mlp.logits_from_state),
)
