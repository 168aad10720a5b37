"""Dagster's web server and daemon as separate processes that share one code server."""
