"""How accuracy holds up when collar, sensor and driver are not as they were in training."""
