"""Keypoint annotations of many tools into one canonical table, by joint name."""
