"""Field session: an observer notes an animal's behaviour while its tag tells what it found."""
