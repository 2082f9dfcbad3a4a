"""What all structures of students have in common: their files, and their weights out of a model or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from mcukd.errors import UserError
from mcukd.fold_results import DEPLOYABLE, DISTILLED, STUDENT, WEIGHTS
from mcukd.models.filter_mlp import FilterMlpWeights
from mcukd.models.mobilenet import TEACHER
from mcukd.models.network import NetworkWeights
from mcukd.models.weights import StudentWeights

if TYPE_CHECKING:
    import keras

    from mcukd.study import Study

Weights = Union[StudentWeights, FilterMlpWeights, NetworkWeights]

GRU_MLP, FILTER_MLP, MOBILENET = "gru-mlp", "filter-mlp", NetworkWeights.student
#: Name of the student as a TensorFlow Lite int8 file, in a study.
TFLITE = "student_int8.tflite"
#: Structure → a layer that only it has, and the others it must have.
_LAYERS = {
    FILTER_MLP: ("filters", ("standardisation", "dense", "logits")),
    MOBILENET: ("b1_depthwise", ("standardisation", "stem", "embedding", "logits")),
    GRU_MLP: ("gru", ("standardisation", "logits")),
}


def weights_of(student: keras.Model) -> Weights:
    """Take the weights out of a student of any structure."""
    from mcukd.models.filter_mlp import filter_mlp_weights
    from mcukd.models.gru_mlp import student_weights

    structure = structure_of(student)
    if structure == MOBILENET:
        return NetworkWeights.of(student)
    return filter_mlp_weights(student) if structure == FILTER_MLP else student_weights(student)


def structure_of(student: keras.Model) -> str:
    """Return "gru-mlp", "filter-mlp" or "mobilenet"."""
    names = {layer.name for layer in student.layers}
    return next((structure for structure, (own, _) in _LAYERS.items() if own in names), GRU_MLP)


def stored_weights(arrays: Mapping[str, Any], prefix: str = "") -> Weights:
    """Take weights of whichever structure back out of an opened `.npz`, where `arrays(prefix)` put them."""
    structure: type[Weights] = StudentWeights
    if prefix + "pole" in arrays:
        structure = FilterMlpWeights
    elif prefix + "stem/kernel" in arrays:
        structure = NetworkWeights
    return structure.from_arrays(arrays, prefix)


def shipped_weights(fold: Mapping[str, Any]) -> Weights:
    """Take the student meant for the device out of a fold's file.

    The one with the head that a search found, else the distilled one, else the plain one.
    """
    for model in (DEPLOYABLE, DISTILLED):
        if any(name.startswith(WEIGHTS[model]) for name in fold):
            return stored_weights(fold, WEIGHTS[model])
    return stored_weights(fold, WEIGHTS[STUDENT])


def load_any_student(path: Path) -> keras.Model:
    """Load a student of any structure from a `.keras` file (`weights_of` takes it).

    Raises UserError where it is missing, unreadable or no student.
    """
    # So that their layers are recognised.
    import mcukd.models.filter_layer
    import mcukd.models.hopfield  # noqa: F401
    from mcukd.tensorflow_setup import keras

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
    names = {layer.name for layer in model.layers}
    own, others = _LAYERS[structure_of(model)]
    missing = {own, *others} - names
    if missing:
        raise UserError(
            f"{path}: not a student, the layer '{sorted(missing)[0]}' is missing; expected a model made by "
            f"'mcukd distill'."
        )
    if f"b{len(TEACHER)}_depthwise" in names:
        raise UserError(f"{path}: the teacher among mobilenets, expected a student; give student.keras.")
    return model


def require_integers(study: Study, what: str) -> None:
    """Raise UserError where a study's student is one of which no integer model of ours is made.

    A mobilenet's integers are TensorFlow Lite's. what: the command that needs an integer model.
    """
    if study.options("distill").get("student") == MOBILENET:
        raise UserError(
            f"{study.path}: {what} needs an integer model of mcukd's own, and this study's student is a "
            f"mobilenet, which boards run through a TFLite runtime; distil a gru-mlp student to go on."
        )
