"""A frame in, the poses in it out; no threads."""
