"""The search among heterogeneous classifiers on a frozen embedding."""
