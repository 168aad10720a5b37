"""Running trained networks: pixels in, pixels out."""
