"""Torso lengths, PCK, horizon errors and intervals and tests over takes."""
