"""Students of any family: their files, and their weights out of a Keras model or a fold's file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd.errors import UserError
from mcukd.fold_results import WEIGHT_PREFIXES, best_student
from mcukd.models.families import DEFAULT_FAMILY, FAMILIES, Weights, student_network
from mcukd.models.tflite_widths import INT8

if TYPE_CHECKING:
    import keras

    from mcukd.study import Study

#: Name of the student as a TensorFlow Lite int8 file, in a study.
TFLITE = INT8.file


def weights_of(student: keras.Model) -> Weights:
    """Take the weights out of a student of any family."""
    return student_network(family_of(student)).weights_of(student)


def family_of(student: keras.Model) -> str:
    """Return the name of the family that a student is of."""
    names = {layer.name for layer in student.layers}
    return next((one for one in FAMILIES if student_network(one).layers[0] in names), DEFAULT_FAMILY)


def stored_weights(arrays: Mapping[str, Any], prefix: str = "") -> Weights:
    """Read the weights of a student of any family from an opened `.npz`, as `arrays(prefix)` wrote them."""
    for family in FAMILIES:
        network = student_network(family)
        if prefix + network.array in arrays:
            return network.from_arrays(arrays, prefix)
    raise KeyError(f"{prefix}{student_network(DEFAULT_FAMILY).array}")


def shipped_weights(fold: Mapping[str, Any]) -> Weights:
    """Take the student meant for the device out of a fold's file, see `fold_results.best_student`."""
    return stored_weights(fold, WEIGHT_PREFIXES[best_student(fold)])


def load_any_student(path: Path) -> keras.Model:
    """Load a student of any family from a `.keras` file (`weights_of` takes it).

    Raises UserError where it is missing, unreadable or no student.
    """
    from mcukd.tensorflow_setup import keras

    for one in FAMILIES:
        for module in student_network(one).layer_modules:
            importlib.import_module(module)
    if not path.is_file():
        raise UserError(f"{path}: no such file; run 'mcukd distill' to train a student.")
    try:
        # Keras raises what its unzipping, HDF5 and JSON parts raise: there is no common type but Exception.
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: not a readable Keras model ({reason}); run 'mcukd distill' again."
        ) from error
    names, network = {layer.name for layer in model.layers}, student_network(family_of(model))
    missing = set(network.layers) - names
    if missing:
        raise UserError(
            f"{path}: not a student, the layer '{sorted(missing)[0]}' is missing; expected a model made by "
            f"'mcukd distill'."
        )
    for layer, what in network.not_students.items():
        if layer in names:
            raise UserError(f"{path}: {what}, expected a student; give student.keras.")
    return model


def load_student(path: Path, family: str = DEFAULT_FAMILY) -> keras.Model:
    """Load a student of one family from a `.keras` file.

    Raises UserError where it is missing, unreadable, a student of another family or none.
    """
    model = load_any_student(path)
    found = family_of(model)
    if found != family:
        raise UserError(
            f"{path}: a {found} student, and this is for {family} students only; distil one "
            f"(--student {family}) to go on."
        )
    return model


def family_of_study(study: Study) -> str:
    """Return the name of the family of a study's student."""
    return str(study.options("distill").get("student", DEFAULT_FAMILY))


def has_integers(study: Study) -> bool:
    """Tell whether the family of a study's student has an integer form, and so firmware."""
    return FAMILIES.find(family_of_study(study), f"{study.path}: student").integers is not None


def require_integers(study: Study, what: str) -> None:
    """Raise UserError where the family of a study's student has no integer form, but TensorFlow Lite only.

    what: the command that needs an integer model.
    """
    if not has_integers(study):
        raise UserError(
            f"{study.path}: {what} needs an integer model of mcukd's own, and this study's student is a "
            f"{family_of_study(study)}, which boards run through a TFLite runtime; distil a "
            f"{DEFAULT_FAMILY} student to go on."
        )
