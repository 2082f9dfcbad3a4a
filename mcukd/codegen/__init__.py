"""From an integer model to generated C and firmware sources."""
