"""Flash runners: programs that write an image onto a chip through a debug probe, one module each."""
