"""Integer form of the filter-MLP (`docs/arithmetic.md`, "The filter student")."""
