"""Registry of student families: which networks can be students, and where each layer of mcukd finds its part.

A family is one kind of student, from its Keras network to its C. Every layer has a part of it, an object that
the layer's own module describes:

    part       layer               type
    network    mcukd.models        StudentNetwork (here): recognises the family, reads and stores its weights
    training   mcukd.distillation  families.architecture.Architecture: builds and sizes it, training defaults
    integers   mcukd.fixedpoint    families.IntegerForm: quantizes it, runs and traces it in integers
    code       mcukd.codegen       families.CodeForm: its C templates, what they print, kernels in assembly
    host       mcukd.inference     families.HostForm: compiled C for this computer; without one NumPy computes
    tflite     mcukd.tflite        families.TfliteForm: its TensorFlow Lite file

A family without `integers` and `code` has no firmware of mcukd's. Parts are given by import path, because a
layer must not import the layers above it, and are imported when they are first asked for. To add a family,
write its parts and register it: here, or in a plugin (`mcukd.plugins`).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from mcukd.plugins import Registry

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Family:
    """A student family: its name in options and files, and import paths of its parts ("module:object")."""

    name: str
    network: str
    training: str
    integers: str | None = None
    code: str | None = None
    host: str | None = None
    tflite: str | None = None

    def part(self, name: str) -> Any:
        """Import a part by its field's name; callers use their layer's own function, which knows the type.

        Raises ValueError where the family has no such part.
        """
        path = getattr(self, name)
        if path is None:
            raise ValueError(f"students of the family {self.name} have no part '{name}'")
        return pkgutil.resolve_name(path)


class Weights(Protocol):
    """Weights of a student as NumPy arrays: what the classes of all families have in common."""

    family: ClassVar[str]

    @property
    def channels(self) -> int:
        """C, the number of sensor axes."""

    @property
    def classes(self) -> int:
        """K, the number of classes."""

    @property
    def parameters(self) -> int:
        """Number of trained parameters (standardisation not counted)."""

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples."""

    def arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for `np.savez`."""

    def logits(self, counts: NDArray[np.int16]) -> NDArray[np.float64]:
        """Run the float model on counts (N, T, C) and return logits (N, K)."""


@dataclass(frozen=True)
class StudentNetwork:
    """The part `network` of a family.

    layers: names of layers that its Keras models have; the first is in no other family's. array: an array
    that only its stored weights have. weights_of: takes the weights out of a Keras model. from_arrays: takes
    them back out of an opened `.npz`, where `Weights.arrays(prefix)` put them. layer_modules: modules that
    define Keras layers of its own, imported before a file is loaded. not_students: layers of related models
    that are no students, each with what such a model is.
    """

    layers: tuple[str, ...]
    array: str
    weights_of: Callable[[keras.Model], Weights]
    from_arrays: Callable[[Mapping[str, Any], str], Weights]
    layer_modules: tuple[str, ...] = ()
    not_students: Mapping[str, str] = field(default_factory=dict)


#: The family of studies and integer models whose files name none.
DEFAULT_FAMILY = "gru-mlp"

FAMILIES: Registry[Family] = Registry(
    "student",
    [
        Family(
            DEFAULT_FAMILY,
            network="mcukd.models.gru_mlp:NETWORK",
            training="mcukd.distillation.families.gru_mlp:STUDENT",
            integers="mcukd.fixedpoint.gru.family:INTEGERS",
            code="mcukd.codegen.gru.family:CODE",
            host="mcukd.inference.gru:HOST",
            tflite="mcukd.tflite.gru:TFLITE",
        ),
        Family(
            "mobilenet",
            network="mcukd.models.mobilenet_weights:NETWORK",
            training="mcukd.distillation.families.mobilenet:STUDENT",
            tflite="mcukd.tflite.mobilenet:TFLITE",
        ),
        Family(
            "filter-mlp",
            network="mcukd.models.filter_mlp:NETWORK",
            training="mcukd.distillation.families.filter_mlp:STUDENT",
            integers="mcukd.fixedpoint.filter_mlp.family:INTEGERS",
            code="mcukd.codegen.filter_mlp:CODE",
        ),
        Family(
            "cnn",
            network="mcukd.models.cnn:NETWORK",
            training="mcukd.distillation.families.cnn:STUDENT",
            integers="mcukd.fixedpoint.cnn.family:INTEGERS",
            code="mcukd.codegen.cnn:CODE",
        ),
    ],
)
"""Student families by name, those of plugins included."""


def student_network(family: str) -> StudentNetwork:
    """Return the network of a family."""
    network: StudentNetwork = FAMILIES[family].part("network")
    return network
