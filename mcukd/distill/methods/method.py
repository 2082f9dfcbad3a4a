"""What a method of distillation declares. Its training is `mcukd.distill.trainer`'s, as everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mcukd.distill.phases import LABELS, Phase

if TYPE_CHECKING:
    import keras

    from mcukd.distill.config import DistillConfig
    from mcukd.distill.teachers import Teacher


class Method:
    """How a student learns from a teacher. A new one is a subclass in a file of its own, and a test.

    name: as `--method` knows it. title: in a line, for people. teachers, students: names of kinds it works
    with, the usual one first. parts: what `--without` can leave out, to see what each is worth.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    teachers: ClassVar[tuple[str, ...]] = ("resnet", "ensemble")
    students: ClassVar[tuple[str, ...]] = ("gru-mlp", "filter-mlp")
    parts: ClassVar[tuple[str, ...]] = ()
    #: What the teacher usually sees: "accelerometer", or "all" channels where the card has more.
    usual_sensors: ClassVar[str] = "accelerometer"
    usual_temperature: ClassVar[float] = 1.0
    #: Part of a result's identity. Raised here when the training of every student changes in a way options do
    #: not show; a method whose own training changed adds to it.
    version: ClassVar[int] = 5
    #: Whether its pupil has outputs from within the student, as of a GRU's states, which slow it down.
    looks_inside: ClassVar[bool] = False
    #: Whether labels that the teacher gave beforehand are among the targets.
    uses_soft_labels: ClassVar[bool] = True
    #: Whether hard labels are among them.
    reads_labels: ClassVar[bool] = True

    def phases(self, config: DistillConfig) -> tuple[Phase, ...]:
        """Return what is minimised, in order."""
        return (LABELS,)

    def pupil(self, student: keras.Model, teacher: keras.Model, config: DistillConfig) -> keras.Model:
        """Return what is trained: the student, or the student with parts that only training needs.

        student: fresh, a GRU with its layer "states" where the method looks inside; the pupil shares its
        layers. teacher: for the shapes of its features; weights may not be taken from it (see `begin`).
        """
        return student

    def begin(self, pupil: keras.Model, teacher: Teacher, config: DistillConfig) -> None:
        """Put weights into a fresh pupil that it inherits from a trained teacher."""
