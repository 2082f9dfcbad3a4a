"""Modelled chips: nRF52840 and CC2650, strict enough to run the very image that would be flashed."""
