"""The modelled nRF52840 (Nordic Semiconductor)."""
