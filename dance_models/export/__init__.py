"""Exporting trained networks: programs that a model registry loads without pickle."""
