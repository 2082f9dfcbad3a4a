"""Clocks of a field session: this computer's, the tag's, the observers', and conversions between them."""
