"""Torso lengths, PCK, horizon errors and bootstrap intervals."""
