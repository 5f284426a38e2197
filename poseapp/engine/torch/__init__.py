"""PyTorch on CUDA: imported only where it is chosen."""
