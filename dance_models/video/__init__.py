"""Video: finding clips, probing what they really hold, and frame-exact decoding."""
