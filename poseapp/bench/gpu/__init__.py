"""How fast networks are on an NVIDIA GPU, and how far from what it can do.

Every figure is one whole inference: uint8 crops from pinned memory up, network and decoding, K × 3 numbers down, wait.
What cannot run is listed with its reason and never estimated. Needs PyTorch and ONNX Runtime, and none of the packages for
cameras, video, the window or the command line: a borrowed machine has none of them.
"""
