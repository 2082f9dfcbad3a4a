"""Evidence of a study in one file, and its check on another computer."""
