"""TensorFlow Lite export: the int8 one-step cell, the int8 network for whole windows, metadata."""
