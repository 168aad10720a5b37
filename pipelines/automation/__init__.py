"""What happens by itself: sensors, the retraining schedule, and the jobs that they start."""
