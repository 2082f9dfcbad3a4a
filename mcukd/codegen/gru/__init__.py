"""C and assembly of the GRU-MLP."""
