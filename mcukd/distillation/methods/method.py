"""Interface of a distillation method: its options, its phases, and layers it adds for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from mcukd.distillation.options import Option
from mcukd.training.phases import LABELS, Phase

if TYPE_CHECKING:
    import keras

    from mcukd.distillation.teacher import Teacher


@dataclass(frozen=True)
class MethodSettings:
    """Settings of a method, from a configuration.

    method: the one configured. student: name of the student's architecture. ablate: parts of the method that
    are left out. options: values of the method's own options, by name.
    """

    method: str
    student: str
    ablate: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def uses(self, part: str) -> bool:
        """Return whether a part of the method is not left out."""
        return part not in self.ablate

    def with_options(self, options: Mapping[str, Any]) -> MethodSettings:
        """Return the settings with other values of some options."""
        return replace(self, options={**self.options, **options})


class Method:
    """How a student is trained from a teacher. A new method is a subclass in a file of its own, and a test.

    name: the value of `--method`. title: a line that describes it. teachers: names of the architectures it
    works with, the default first. students: names of the student families it works with, None for any. parts:
    names that `--ablate` can leave out. options: those that only this method has.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    teachers: ClassVar[tuple[str, ...]] = ("resnet", "ensemble")
    students: ClassVar[tuple[str, ...] | None] = None
    parts: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[Option, ...]] = ()
    #: Default input of the teacher: "accelerometer", or "all" channels where the card has more.
    default_sensors: ClassVar[str] = "accelerometer"
    default_temperature: ClassVar[float] = 1.0
    #: Part of a result's identity. Raised here when the training of every student changes in a way options do
    #: not show; a method whose own training changed adds to it.
    version: ClassVar[int] = 5
    #: Whether training needs outputs of inner layers, such as a GRU's states, which make it slower.
    needs_features: ClassVar[bool] = False
    #: Whether the targets include soft labels computed before training.
    uses_soft_labels: ClassVar[bool] = True
    #: Whether the targets include hard labels.
    reads_labels: ClassVar[bool] = True

    def check(self, settings: MethodSettings) -> None:
        """Raise UserError where this method's options cannot work; also called for methods not configured."""

    def candidates(self, settings: MethodSettings) -> Sequence[Mapping[str, Any]]:
        """Return the values of options to choose among on inner animals, for each fold; none by default."""
        return ()

    def phases(self, settings: MethodSettings) -> tuple[Phase, ...]:
        """Return the training phases, in order."""
        return (LABELS,)

    def build_training_model(
        self, student: keras.Model, teacher: keras.Model, settings: MethodSettings
    ) -> keras.Model:
        """Return the model to train: the student, or the student with layers that only training needs.

        student: fresh; a GRU has its layer "states" where the method needs features. The result shares its
        layers. teacher: for the shapes of its features; its weights are not final yet (`init_from_teacher`).
        """
        return student

    def init_from_teacher(self, model: keras.Model, teacher: Teacher, settings: MethodSettings) -> None:
        """Copy the weights that a fresh training model inherits from a trained teacher."""
