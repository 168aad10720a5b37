"""The people in a video: found, told apart over time, chosen by a rule, and followed."""
