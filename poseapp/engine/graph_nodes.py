"""Which nodes of an exported graph are the network's, and which of them may run in FP16."""

from __future__ import annotations

import re

NETWORK = re.compile(r"^/net(_\d+)?/")  # the exporter names a node of the network after the module that made it
# The network's operators that run in FP16 on every backend. All else in it (shapes, a centre map) stays in FP32.
HALF_OPERATORS = frozenset(
    [
        *("Conv", "BatchNormalization", "Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid"),
        *("MaxPool", "AveragePool", "Resize", "Add", "Mul", "Concat", "Slice"),
    ]
)
