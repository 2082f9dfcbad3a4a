"""Online distillation: the teacher labels the same augmented windows that the student is trained on.

After Beyer et al., "Knowledge distillation: a good teacher is patient and consistent" (CVPR 2022): the
student learns a function, so both networks must get the same input. A label computed once is a mean over
orientations that no single presentation has.
"""

from __future__ import annotations

from mcukd.distillation.methods.method import Method, MethodSettings
from mcukd.training.losses import online_distillation_loss
from mcukd.training.phases import Phase


class Online(Method):
    """The distillation loss with the teacher's logits for each augmented window."""

    name = "online"
    title = "the teacher's probabilities for every augmented window the student is trained on"
    teachers = ("resnet", "mobilenet", "ensemble", "mixed-ensemble", "forest-ensemble", "tsak")
    uses_soft_labels = False

    def phases(self, settings: MethodSettings) -> tuple[Phase, ...]:
        """Return the one phase, which reads the teacher's logits."""
        return (Phase("online", online_distillation_loss, teacher_outputs=("logits",)),)
