"""The assets, by domain."""
