"""BlazePose (MediaPipe Pose) on LiteRT: a person detector, a landmark model, and tracking.

Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose tracking", arXiv:2006.10204.
"""
