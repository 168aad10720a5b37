"""Readers of pose files, one module a family; :mod:`dance_models.estimators.pose_file` chooses."""
