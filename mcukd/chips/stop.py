"""`ChipStop`, the error that ends a modelled chip: the firmware did what chip or model does not allow."""

from __future__ import annotations


class ChipStop(Exception):
    """One plain sentence about what the firmware did; the core adds where in the program it was."""
