"""What comes of a training, measured."""
