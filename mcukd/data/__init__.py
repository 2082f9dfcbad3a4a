"""From dataset cards to checked windows of sensor counts."""
