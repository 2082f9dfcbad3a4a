"""Integer form of the CNN (`docs/arithmetic.md`, "The CNN student")."""
