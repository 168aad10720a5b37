"""MLflow: runs, the model registry, promotion, model cards and lineage."""
