"""The asset checks, by domain: which check runs on which asset. Their logic is in ``dance_models``."""
