"""Behaviour classifiers for animal-borne tags: distilled, in fixed point, proven on the device."""

__version__ = "0.1.0"
