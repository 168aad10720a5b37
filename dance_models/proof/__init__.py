"""What a GPU makes of the trainings: one call, one JSON; torch and numpy are all it needs."""
