"""Recordings in whatever form they come, turned into a card and, where needed, into Parquet."""
