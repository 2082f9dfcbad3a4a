"""Evaluation of models on held-out animals: predictions, baselines, comparisons and agreement."""
