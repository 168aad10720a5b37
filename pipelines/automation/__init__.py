"""What runs automatically: sensors, the retraining schedule, and the jobs that they start."""
