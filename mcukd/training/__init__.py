"""Training of Keras models: the loop, its phases and losses, augmentation, checkpoints."""
