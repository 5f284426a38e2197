"""TensorRT: plans and the engine that runs them."""
