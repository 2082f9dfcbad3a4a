"""The teacher answers on blends of training windows as well, and is all the student learns from.

After Beyer et al., "Knowledge distillation: a good teacher is patient and consistent" (CVPR 2022), whose
function matching blends pictures with mixup (Zhang et al., 2018). Between the windows of a few animals there
is room for a small recurrent network to go astray; a blend has no label, but the teacher answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcukd.distill.methods.method import Method
from mcukd.distill.phases import Phase, from_answers_alone

if TYPE_CHECKING:
    from mcukd.distill.config import DistillConfig

#: Share of the windows shown that are blends of two.
BLENDED = 0.5


class MixedView(Method):
    """The teacher's answer to each augmented window and to blends of two; hard labels are not used."""

    name = "mixed-view"
    title = "the teacher's probabilities for augmented windows and blends of them, without hard labels"
    # An ensemble's members each may not be asked about some windows, and a blend has two.
    teachers = ("resnet", "mobilenet", "committee", "tsak")
    students = ("gru-mlp", "mobilenet", "filter-mlp")
    usual_temperature = 2.0
    uses_soft_labels = False
    reads_labels = False

    def phases(self, config: DistillConfig) -> tuple[Phase, ...]:
        """Return the one phase, which listens to the teacher's logits."""
        return (Phase("mixed view", from_answers_alone, hears=("logits",), blended=BLENDED),)
