"""What the images are described by: a global vector, and a grid of tokens."""
