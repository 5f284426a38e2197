"""Converts a checkpoint or a graph into a model folder."""
