"""Training and inference. Needs only torch and numpy."""
