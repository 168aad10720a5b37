"""Networks for callers from outside: tracks in pixels, checked, of any length."""
