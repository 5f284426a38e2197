"""From a checkpoint or a graph to a model folder."""
