"""Figures of merit from labels, predictions and probabilities, with their intervals."""
