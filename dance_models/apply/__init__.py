"""Trained networks on anyone's video: refined poses, forecasts, and a picture of both."""
