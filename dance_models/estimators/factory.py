"""Shim until the merge."""

from dance_models.config import EstimatorConfig
from dance_models.estimators.base import estimator_fingerprint, make_estimator

__all__ = ["estimator_fingerprint", "make_estimator", "needs_weights"]


def needs_weights(config: EstimatorConfig) -> bool:
    """Shim."""
    return config.name == "blazepose"
