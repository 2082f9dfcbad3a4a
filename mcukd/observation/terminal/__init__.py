"""Terminal screen of a field session."""
