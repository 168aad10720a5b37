"""The content of the store: paths, registered clips, annotations and motion."""
