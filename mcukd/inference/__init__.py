"""The integer model at speed on this computer: generated C, compiled here, that equals the reference."""
