"""Page of a field session: for the phone or tablet in an observer's hand, served by this computer alone."""
