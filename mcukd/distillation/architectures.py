"""Registries of the networks that can be teachers and students, by their option names. No TensorFlow here.

A student is the part `training` of a student family (`mcukd.models.families`); teachers are registered here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mcukd.distillation.families import mobilenet, resnet, tsak
from mcukd.distillation.families.architecture import Architecture, Shape, TrainingDefaults
from mcukd.models.families import FAMILIES
from mcukd.plugins import Registry

__all__ = [
    "ENSEMBLE",
    "FOREST_ENSEMBLE",
    "MIXED_ENSEMBLE",
    "MIXED_ENSEMBLES",
    "STUDENTS",
    "TEACHERS",
    "Architecture",
    "Shape",
    "TrainingDefaults",
]


class _Students(Mapping[str, Architecture]):
    """Architectures of the student families, by name."""

    def __getitem__(self, family: str) -> Architecture:
        architecture: Architecture = FAMILIES[family].part("training")
        return architecture

    def __iter__(self) -> Iterator[str]:
        return iter(FAMILIES)

    def __len__(self) -> int:
        return len(FAMILIES)


STUDENTS: Mapping[str, Architecture] = _Students()
TEACHERS: Registry[Architecture] = Registry("teacher", [resnet.TEACHER, mobilenet.TEACHER, tsak.TEACHER])

#: Several networks of the first teacher architecture, each trained without some of the training animals.
ENSEMBLE = "ensemble"
#: Several of those and several students, all trained on every training animal.
MIXED_ENSEMBLE = "mixed-ensemble"
#: The same networks and a random forest on hand features.
FOREST_ENSEMBLE = "forest-ensemble"
#: Teachers that have students among their networks.
MIXED_ENSEMBLES = (MIXED_ENSEMBLE, FOREST_ENSEMBLE)
