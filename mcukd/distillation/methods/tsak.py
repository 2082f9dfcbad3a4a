"""TSAK: a student with fewer sensors learns from a two-stage teacher (arXiv 2408.14146).

docs/reference/methods.md says what the paper gives and what is ours.
"""

from __future__ import annotations

from typing import Any

from mcukd.distillation.methods.method import Method, MethodSettings
from mcukd.training.losses import LossInputs, distillation_loss
from mcukd.training.phases import Phase

REPRESENTATIONS = ("attention_logits", "causal_logits", "combined_logits")


class Tsak(Method):
    """Learn the logits of the teacher's semantic classifier and of its three representations."""

    name = "tsak"
    title = "the semantic classifier of a teacher that may have more sensors, and its representations"
    teachers = ("tsak",)
    parts = ("representations",)
    default_sensors = "all"
    uses_soft_labels = False

    def phases(self, settings: MethodSettings) -> tuple[Phase, ...]:
        """Return the one phase, which reads the logits of four classifiers of the teacher."""
        others = () if not settings.uses("representations") else REPRESENTATIONS

        def loss(inputs: LossInputs) -> Any:
            def loss_on(name: str) -> Any:
                return distillation_loss(
                    inputs.outputs["logits"],
                    inputs.hard,
                    inputs.teacher_outputs[name],
                    inputs.temperature,
                    inputs.alpha,
                )

            semantic = loss_on("logits")
            if not others:
                return semantic
            # The semantic classifier is the most accurate, so it keeps half of the weight.
            return 0.5 * semantic + sum(loss_on(name) for name in others) / (2 * len(others))

        return (Phase("semantic", loss, teacher_outputs=("logits", *others)),)
