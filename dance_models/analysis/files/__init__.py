"""Files of one video for other tools, one writer each."""
