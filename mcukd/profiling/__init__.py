"""Costs of a model on a core: instructions, estimated cycles, flash, RAM and error, under QEMU."""
