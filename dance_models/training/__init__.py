"""Training and inference. Needs torch and numpy alone."""
