"""Modelled accelerometers at register level: what a driver meets on the bus, fed from recordings."""
