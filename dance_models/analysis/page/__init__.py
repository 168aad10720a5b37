"""One HTML page about a video that works offline: the video, plots, ranges, moments."""
