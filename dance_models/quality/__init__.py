"""Checks on data and models: pure functions that return findings located by clip and frame."""
