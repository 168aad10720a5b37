"""Metrics, trivial rows, intervals and the long tables of the two reports."""
