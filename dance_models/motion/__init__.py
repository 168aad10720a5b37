"""Motion for pre-training: capture files and tracks without video, as pose runs.

From BVH through virtual cameras, from Kinetics-skeleton JSON and from COCO-17 tracks. Needs numpy
alone. :func:`~dance_models.motion.read.read_motion` reads a folder,
:func:`~dance_models.motion.runs.motion_runs` makes what the trainings consume, and
:func:`~dance_models.motion.leak.shared_windows` says whether any of it is judged later.
"""
