"""Live cameras: frames of all of them through one detector and one embedder, people tracked, linked and told of."""
