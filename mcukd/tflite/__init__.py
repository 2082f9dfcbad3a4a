"""TensorFlow Lite export: the int8 one-step cell and head, with metadata."""
