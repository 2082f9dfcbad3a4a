"""Checks of a data set against its card, and what they found in plain sentences."""
