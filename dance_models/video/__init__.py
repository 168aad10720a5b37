"""Video: finding clips, probing their actual content, and frame-exact decoding."""
