"""Fits a file's weights into a network: which layout the file has, and which weights are missing, extra or of another shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from poseapp.convert.checkpoints.layout import Arch, Layout, State
from poseapp.core.errors import CheckpointError
from poseapp.core.skeleton import SKELETONS, Skeleton


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network with the weights of a file. ``extra`` are names in the file that the network does not use."""

    net: nn.Module
    arch: Arch
    layout: Layout
    joints: int
    extra: tuple[str, ...]

    def skeleton(self, name: str | None = None) -> Skeleton:
        """The joint order of the weights: the one called *name*, or the usual one for their number.

        CheckpointError when the number does not fit, or does not tell the order.
        """
        known = {s.name: s for s in (SKELETONS.values() if name else self.layout.skeletons) if s.k == self.joints}
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name in known:
            return known[name]
        fitting = ", ".join(s.name for s in SKELETONS.values() if s.k == self.joints) or "none that is known"
        raise CheckpointError(
            f"{self.arch.name}: expected a known order of its {self.joints} joints. Name it with --skeleton: {fitting}."
        )


def load(state: State, arch: Arch, where: str, need_head: bool, known: Collection[Arch]) -> Loaded:
    """See ``poseapp.convert.checkpoints.load``; *known* are the archs that an error may name."""
    # A head names its layout; a file without one is tried as all of them.
    layouts = [layout for layout in arch.layouts if _has_head(state, layout)] or arch.layouts
    best = max((_attempt(state, arch, layout) for layout in layouts), key=lambda a: len(a.weights) + len(a.shapes))
    if best.shapes or (best.missing and (need_head or not best.lacks_only_heads)):
        raise CheckpointError(f"{where}: {_mismatch(best, arch, state, known)}")
    for key, parameter in best.net.state_dict().items():
        # Old files lack BatchNorm's counter, which only matters while training with momentum=None.
        best.weights.setdefault(key, torch.zeros(parameter.shape, dtype=parameter.dtype))
    best.net.load_state_dict(best.weights, assign=True)
    return Loaded(best.net.eval(), arch, best.layout, best.joints, tuple(sorted(best.extra)))


def fitting(state: State, known: Iterable[Arch]) -> list[str]:
    """Names of the archs among *known* that *state* fits."""
    found = []
    for arch in known:
        for layout in arch.layouts:
            if not _has_head(state, layout):
                continue  # building a network to compare with takes a moment
            attempt = _attempt(state, arch, layout)
            if not attempt.missing and not attempt.shapes:
                found.append(arch.name)
                break
    return found


def _has_head(state: State, layout: Layout) -> bool:
    return any(f"{head}.weight" in state for head in layout.heads)


@dataclass(frozen=True, eq=False)
class _Attempt:
    """The result of reading a file as one layout; names are those of the file."""

    layout: Layout
    net: nn.Module
    joints: int
    weights: dict[str, Tensor]
    missing: list[str]
    shapes: list[str]
    extra: set[str]

    @property
    def lacks_only_heads(self) -> bool:
        """Whether parameters are missing, and all of them are of the last layer."""
        return bool(self.missing) and all(name.startswith(self.layout.heads) for name in self.missing)


def _attempt(state: State, arch: Arch, layout: Layout) -> _Attempt:
    rows = next((len(state[f"{h}.weight"]) for h in layout.heads if f"{h}.weight" in state), arch.joints + layout.background)
    joints = rows - layout.background
    with torch.device("meta"):  # shapes only: the values come from the file
        net = layout.build(state, joints)
    weights: dict[str, Tensor] = {}
    missing, shapes, used = [], [], set()
    for key, own in net.state_dict().items():
        source = layout.key(key)
        used.add(source)
        if source not in state:
            if not source.endswith("num_batches_tracked"):
                missing.append(source)
        elif state[source].shape != own.shape:
            shapes.append(f"{source} expected {_shape(own)}, got {_shape(state[source])}")
        else:
            weights[key] = state[source].to(own.dtype).contiguous()
    return _Attempt(layout, net, joints, weights, missing, shapes, set(state) - used)


def _mismatch(best: _Attempt, arch: Arch, state: State, known: Collection[Arch]) -> str:
    if best.lacks_only_heads and not best.shapes:
        return (
            f"expected a whole {arch.name}, got one without its last layer ({best.missing[0]}). "
            "It is a start for training, not a model to run: import a checkpoint trained for pose."
        )
    told = []
    if best.missing:
        told.append(f"missing {_first(best.missing)}")
    if best.extra:
        told.append(f"unexpected {_first(sorted(best.extra))}")
    if best.shapes:
        told.append(f"shapes differ: {_first(best.shapes, '; ')}")
    others = [name for name in fitting(state, known) if name != arch.name]
    advice = f"It fits --arch {' or '.join(others)}." if others else f"Known are {', '.join(one.name for one in known)}."
    return f"expected {arch.name} ({best.layout.name}), got another network: {'; '.join(told)}. {advice}"


def _first(items: list[str], separator: str = ", ", n: int = 3) -> str:
    more = f" and {len(items) - n} more" if len(items) > n else ""
    return separator.join(items[:n]) + more


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
