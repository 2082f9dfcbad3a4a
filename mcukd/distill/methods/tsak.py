"""TSAK: a student with fewer sensors learns from a teacher of two stages (arXiv 2408.14146).

docs/methods.md says what is known of it and what is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcukd.distill.methods.method import Method
from mcukd.distill.phases import Phase, Signals, distillation_loss

if TYPE_CHECKING:
    from mcukd.distill.config import DistillConfig

REPRESENTATIONS = ("attention_logits", "causal_logits", "combined_logits")


class Tsak(Method):
    """Learn the logits of the semantic classifier, and of its three representations, on what both see."""

    name = "tsak"
    title = "the semantic classifier of a teacher that may see more sensors, and its representations"
    teachers = ("tsak",)
    students = ("gru-mlp", "mobilenet", "filter-mlp")
    parts = ("representations",)
    usual_sensors = "all"
    uses_soft_labels = False

    def phases(self, config: DistillConfig) -> tuple[Phase, ...]:
        """Return the one phase, which listens to four classifiers of the teacher."""
        others = () if not config.uses("representations") else REPRESENTATIONS

        def loss(signals: Signals) -> Any:
            def learnt_from(name: str) -> Any:
                return distillation_loss(
                    signals.outputs["logits"],
                    signals.hard,
                    signals.heard[name],
                    signals.temperature,
                    signals.mixing,
                )

            semantic = learnt_from("logits")
            if not others:
                return semantic
            # The semantic classifier knows best, and keeps half of the say.
            return 0.5 * semantic + sum(learnt_from(name) for name in others) / (2 * len(others))

        return (Phase("semantic", loss, hears=("logits", *others)),)
