"""Dance pose as a library: video, annotations, networks, training and evaluation.

Imports neither Dagster nor MLflow; the orchestration lives in ``pipelines``.
"""
