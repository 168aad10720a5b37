"""Trained networks on any video: refined poses, forecasts, and an overlay of both."""
