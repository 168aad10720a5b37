"""The process of one training, and how it is started."""
