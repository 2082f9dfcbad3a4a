"""Generation of C from an integer model: the model alone, or the firmware of a board."""
