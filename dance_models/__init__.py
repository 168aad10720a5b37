"""Dance pose as a library: video, annotations, networks, training and evaluation.

Imports neither Dagster nor MLflow; the orchestration lives in ``pipelines``.
"""

from typing import Final

__version__: Final = "0.1.0"  # the one place: pyproject.toml reads it from here
