"""Modelled radios beside a tag's chip, and what leaves antennas."""
