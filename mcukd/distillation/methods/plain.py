"""Training without a teacher: the baseline of every method."""

from __future__ import annotations

from mcukd.distillation.methods.method import Method


class Plain(Method):
    """Hard labels only."""

    name = "none"
    title = "hard labels only, no teacher"
    teachers = ()
    uses_soft_labels = False
