"""The torch path of an import, which the graphs that are filled without torch are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from poseapp.convert.checkpoints import Loaded
from poseapp.convert.make_templates import NETWORKS


def numbers(state: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """*state* as the reader gives it."""
    return {key: value.numpy() for key, value in state.items()}


def network(loaded: Loaded) -> nn.Module:
    """Our network with the weights of a file, in evaluation mode."""
    with torch.device("meta"):
        net = NETWORKS[loaded.network.template](loaded.joints, loaded.network.stages)
    weights = {key: torch.from_numpy(value) for key, value in loaded.weights.items()}
    counters = {key: torch.tensor(0) for key in net.state_dict() if key.endswith("num_batches_tracked")}
    net.load_state_dict({**weights, **counters}, assign=True)
    return net.eval()
