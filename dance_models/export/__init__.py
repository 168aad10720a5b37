"""Trained networks on their way out: what a model registry can load without pickle."""
