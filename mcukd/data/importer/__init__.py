"""Import of recordings: a card and, where needed, Parquet for whatever files there are."""
