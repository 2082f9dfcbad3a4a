"""Radios of tags as arithmetic: time on air, duty cycle, frames, and the bits of Bluetooth advertisements."""
