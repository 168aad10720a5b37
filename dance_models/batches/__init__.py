"""What networks see of runs and crops, as tensors: cut, packed, and augmented for training."""
