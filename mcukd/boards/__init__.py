"""Boards as validated data, and the tools that build, size, flash and emulate them."""
