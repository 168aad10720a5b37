"""Orchestration: the Dagster graph, MLflow tracking and the ``dance`` command line.

Holds no tensor code; that is ``dance_models``.
"""
