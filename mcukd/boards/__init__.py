"""Boards as validated data, and what builds, sizes, flashes and emulates them."""
