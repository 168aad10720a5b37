"""The asset checks, by domain. What they look for is in ``dance_models.quality``."""
