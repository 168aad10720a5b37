"""Anyone's video: poses, figures, overlay, page and files for other tools."""
