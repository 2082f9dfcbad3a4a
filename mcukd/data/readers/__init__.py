"""Readers of the sources that cards name: one file each, registered in `registry`."""
