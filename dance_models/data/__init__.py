"""From sampled frames to windows: sampling plans, splits, augmentation, pose runs, windows."""
