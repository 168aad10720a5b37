"""Motion for pre-training: capture files and tracks without video, as pose runs.

From BVH and joint positions in 3-D through virtual cameras, from Kinetics-skeleton JSON and from
COCO-17 tracks. Needs numpy alone. :func:`~dance_models.motion.read.motion_sources` lists a folder
and :func:`~dance_models.motion.read.read_source` reads one file of it.
:func:`~dance_models.motion.runs.motion_runs` makes pose runs for the trainings, and
:func:`~dance_models.motion.leak.shared_windows` finds motion that is also in the evaluated clips.
"""
