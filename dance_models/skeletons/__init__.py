"""Skeletons other than the default one, one a file."""
