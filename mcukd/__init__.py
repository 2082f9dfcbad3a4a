"""Behaviour classifiers for animal-borne tags: distilled, in fixed point, proven on the device."""

from mcukd.tensorflow_setup import pin_environment

__version__ = "0.1.0"

pin_environment()
