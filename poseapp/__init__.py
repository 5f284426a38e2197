"""Real-time human pose on the desktop: a camera or a clip in, a live skeleton and a recording out."""

__version__ = "0.1.0"
