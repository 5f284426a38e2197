"""The networks, in PyTorch, and the graph that is deployed from them."""
