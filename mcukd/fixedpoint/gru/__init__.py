"""Integer form of the GRU-MLP (`docs/arithmetic.md`)."""
