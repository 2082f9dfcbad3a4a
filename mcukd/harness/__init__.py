"""The serial harness: frames, protocol, and the comparison of a device with the reference."""
