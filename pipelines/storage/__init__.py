"""What the store holds and where: paths, registered clips, annotations and motion."""
