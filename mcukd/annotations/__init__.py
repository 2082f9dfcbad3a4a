"""Files of behaviour over time as tracks: what observers noted, and what tags said."""
