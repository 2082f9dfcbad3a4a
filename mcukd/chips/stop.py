"""The end of a modelled chip: the firmware did what the chip, or this model of it, does not allow."""

from __future__ import annotations


class ChipStop(Exception):
    """One plain sentence about what the firmware did; the core adds where in the program it was."""
