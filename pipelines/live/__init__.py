"""The page of ``dance live``."""
