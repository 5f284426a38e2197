"""The live pipeline: capture, inference and recording threads, without any Qt."""
