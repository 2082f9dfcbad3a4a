"""Clocks of a field session: this computer's, the tag's, the observers', and how one becomes another."""
