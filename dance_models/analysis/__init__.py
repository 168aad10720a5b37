"""Anyone's video: poses, figures and files."""
