"""What the models are worth on animals they never saw, beside baselines and with intervals."""
