"""Function matching: soft labels alone, computed online for augmented windows and mixtures of two.

After Beyer et al., "Knowledge distillation: a good teacher is patient and consistent" (CVPR 2022), whose
function matching mixes images with mixup (Zhang et al., 2018). The windows of a few animals leave much of the
input space unsampled; mixtures fill it, and the teacher labels them.
"""

from __future__ import annotations

from mcukd.distillation.methods.method import Method, MethodSettings
from mcukd.training.losses import soft_only_loss
from mcukd.training.phases import Phase

#: Fraction of the windows that are mixed with another one.
MIXUP_FRACTION = 0.5


class FunctionMatching(Method):
    """The teacher's logits for each augmented window and for mixtures of two; hard labels are not used."""

    name = "function-matching"
    title = "the teacher's probabilities for augmented windows and mixtures of them, without hard labels"
    # A member of an ensemble must not label windows it was trained on, and a mixture has two.
    teachers = ("resnet", "mobilenet", "mixed-ensemble", "forest-ensemble", "tsak")
    default_temperature = 2.0
    uses_soft_labels = False
    reads_labels = False

    def phases(self, settings: MethodSettings) -> tuple[Phase, ...]:
        """Return the one phase, which reads the teacher's logits."""
        return (
            Phase(
                "function matching",
                soft_only_loss,
                teacher_outputs=("logits",),
                mixup_fraction=MIXUP_FRACTION,
            ),
        )
