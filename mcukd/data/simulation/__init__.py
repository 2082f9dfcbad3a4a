"""SIMULATED herds: labelled accelerometry without an animal, and its export as files."""
