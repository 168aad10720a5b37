"""What is wrong with the data: pure functions that return findings located by clip and frame."""
