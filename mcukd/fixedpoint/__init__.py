"""Dynamic fixed point: formats, quantization, and the integer reference that is the specification."""
