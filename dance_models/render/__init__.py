"""Pictures: skeletons on frames, contact sheets, loss curves."""
