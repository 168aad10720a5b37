"""Keypoint annotations of five formats into one canonical table, by joint name."""
