"""Sources of a session's moments: a tag on a line, a modelled one, a log or stream that is replayed."""
