"""The two-stage network of TSAK as a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mcukd.distillation.families.architecture import Architecture
from mcukd.models import tsak
from mcukd.training.losses import LossInputs, soft_label_loss
from mcukd.training.phases import Phase


def _tsak_loss(outputs: Sequence[str]) -> Callable[[LossInputs], Any]:
    """Return the sum of the losses of the named classifiers on the labels."""
    return lambda inputs: sum(
        soft_label_loss(inputs._replace(outputs={"logits": inputs.outputs[name]})) for name in outputs
    )


TEACHER = Architecture(
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
