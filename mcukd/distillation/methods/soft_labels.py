"""Soft labels computed once before training: the method of the paper mcukd implements (arXiv 2209.04130)."""

from __future__ import annotations

from mcukd.distillation.methods.method import Method


class SoftLabels(Method):
    """Mean logits of the teacher over augmented copies of each window, softened, beside the hard labels."""

    name = "soft-labels"
    title = "the teacher's probabilities for each training window, computed once"
    teachers = ("resnet", "mobilenet", "ensemble", "mixed-ensemble", "forest-ensemble")
