"""Unlabelled recordings of months: windows, time budgets, ethogram and annotations by the integer model."""
