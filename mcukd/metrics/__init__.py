"""Metrics of labels, predictions and probabilities, with their intervals over animals."""
