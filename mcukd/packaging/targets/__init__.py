"""Toolchains that models are packaged for, one file each."""
