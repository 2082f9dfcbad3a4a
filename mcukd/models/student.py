"""What all structures of students have in common: their weights, taken out of a Keras model or of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

from mcukd.models.filter_mlp import FilterMlpWeights
from mcukd.models.weights import StudentWeights

if TYPE_CHECKING:
    import keras

Weights = Union[StudentWeights, FilterMlpWeights]


def weights_of(student: keras.Model) -> Weights:
    """Take the weights out of a student of any structure."""
    from mcukd.models.filter_mlp import filter_mlp_weights
    from mcukd.models.gru_mlp import student_weights

    return filter_mlp_weights(student) if student.name == "filter_mlp" else student_weights(student)


def stored_weights(arrays: Mapping[str, Any], prefix: str = "") -> Weights:
    """Take weights of whichever structure back out of an opened `.npz`, where `arrays(prefix)` put them."""
    structure = FilterMlpWeights if prefix + "pole" in arrays else StudentWeights
    return structure.from_arrays(arrays, prefix)


def shipped_weights(fold: Mapping[str, Any]) -> Weights:
    """Take the student meant for the device out of a fold's file: the distilled one, if there is one."""
    distilled = any(name.startswith("student_distilled__") for name in fold)
    return stored_weights(fold, "student_distilled__" if distilled else "student__")
