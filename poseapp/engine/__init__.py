"""Running a deployed model: the Engine protocol and one file for each backend."""
