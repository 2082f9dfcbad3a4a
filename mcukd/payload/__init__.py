"""Payloads of tags: one schema for the packer in C and the decoders in Python and JavaScript."""
