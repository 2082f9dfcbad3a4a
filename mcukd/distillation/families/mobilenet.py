"""The mobilenets of SMLDist as a teacher and, slim, as a student."""

from __future__ import annotations

from typing import Any

from mcukd.distillation.families.architecture import Architecture, TrainingDefaults
from mcukd.models import mobilenet


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


TEACHER = _mobilenet(slim=False)
STUDENT = _mobilenet(slim=True)
