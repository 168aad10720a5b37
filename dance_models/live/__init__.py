"""Poses of frames that come one by one."""
