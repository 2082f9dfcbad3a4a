"""The interface of a distillation method: its phases, and what it adds to the student for training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mcukd.training.phases import LABELS, Phase

if TYPE_CHECKING:
    import keras

    from mcukd.distillation.config import DistillConfig
    from mcukd.distillation.teacher import Teacher


class Method:
    """How a student is trained from a teacher. A new method is a subclass in a file of its own, and a test.

    name: as `--method` knows it. title: a line that describes it. teachers, students: names of architectures
    it works with, the default first. parts: what `--without` can leave out, for ablations.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    teachers: ClassVar[tuple[str, ...]] = ("resnet", "ensemble")
    students: ClassVar[tuple[str, ...]] = ("gru-mlp", "filter-mlp")
    parts: ClassVar[tuple[str, ...]] = ()
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

    def phases(self, config: DistillConfig) -> tuple[Phase, ...]:
        """Return the training phases, in order."""
        return (LABELS,)

    def build_training_model(
        self, student: keras.Model, teacher: keras.Model, config: DistillConfig
    ) -> keras.Model:
        """Return the model to train: the student, or the student with layers that only training needs.

        student: fresh; a GRU has its layer "states" where the method needs features. The result shares its
        layers. teacher: for the shapes of its features; its weights are not final yet (`init_from_teacher`).
        """
        return student

    def init_from_teacher(self, model: keras.Model, teacher: Teacher, config: DistillConfig) -> None:
        """Copy the weights that a fresh training model inherits from a trained teacher."""
