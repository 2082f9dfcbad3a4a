"""Search of the classifier head on a frozen embedding, among families of classifiers."""
