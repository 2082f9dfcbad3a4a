"""The modelled CC2650 (Texas Instruments)."""
