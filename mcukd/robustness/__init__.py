"""Accuracy on windows perturbed as by another collar, sensor or driver."""
