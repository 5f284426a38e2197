"""Real-time human pose on the desktop: a camera or a clip in, a live skeleton and a recording out."""

import os

__version__ = "0.1.0"

# ONNX Runtime sends usage data to its makers, and keeps a number of the machine for it, from the moment it is imported;
# nothing of poseapp that imports it comes before this.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
