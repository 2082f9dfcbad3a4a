"""Agreement of two accounts of behaviour over time: kappa, bouts, time budgets, sample sizes."""
