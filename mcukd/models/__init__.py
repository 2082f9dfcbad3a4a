"""The Keras models, and their weights as plain arrays."""
