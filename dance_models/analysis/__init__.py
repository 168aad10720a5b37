"""Anyone's video: poses, measures, overlay and page."""
