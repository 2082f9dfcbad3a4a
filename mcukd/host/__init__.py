"""The integer model on this computer at speed: generated C, compiled here, with every value the reference's."""
