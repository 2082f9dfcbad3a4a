"""Distillation: one trainer, one file per method."""
