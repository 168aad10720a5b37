"""Network inputs from runs and crops as tensors: cut, packed, and augmented for training."""
