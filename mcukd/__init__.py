"""Behaviour classifiers for animal-borne tags: distilled, in fixed point, proven bit for bit on the device."""

__version__ = "0.1.0"
