"""The teacher answers on the very window the student is shown, as often as it is shown.

After Beyer et al., "Knowledge distillation: a good teacher is patient and consistent" (CVPR 2022): what is
learnt is a function, so both must see one input. A label computed once is an average over orientations that
no single presentation has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcukd.distill.methods.method import Method
from mcukd.distill.phases import Phase, from_answers

if TYPE_CHECKING:
    from mcukd.distill.config import DistillConfig


class SameView(Method):
    """The distillation loss on the teacher's answer to each augmented window."""

    name = "same-view"
    title = "the teacher's probabilities for every augmented window the student is shown"
    teachers = ("resnet", "mobilenet", "ensemble", "committee", "tsak")
    students = ("gru-mlp", "mobilenet", "filter-mlp")
    uses_soft_labels = False

    def phases(self, config: DistillConfig) -> tuple[Phase, ...]:
        """Return the one phase, which listens to the teacher's logits."""
        return (Phase("same view", from_answers, hears=("logits",)),)
