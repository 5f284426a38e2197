"""Fits a file's weights into a network: which layout the file has, and which weights are missing, extra or of another shape."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.checkpoints.layout import Arch, Layout, State
from poseapp.convert.templates import Network
from poseapp.core.errors import CheckpointError
from poseapp.core.skeleton import SKELETONS, Skeleton

_STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True, eq=False, kw_only=True)
class Loaded:
    """The weights of a file, float32 by our names, and the network that they belong to.

    ``extra`` are names in the file that the network does not use.
    """

    weights: dict[str, NDArray[np.float32]]
    network: Network
    arch: Arch
    layout: Layout
    joints: int
    extra: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Number of learnable values (BatchNorm's running statistics are not counted)."""
        return sum(value.size for key, value in self.weights.items() if not key.endswith(_STATISTICS))

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
    shapes = best.network.parameters(best.joints)
    # What may be missing is the head.
    weights = {key: best.weights[key] if key in best.weights else np.zeros(shape, np.float32) for key, shape in shapes.items()}
    return Loaded(
        weights=weights,
        network=best.network,
        arch=arch,
        layout=best.layout,
        joints=best.joints,
        extra=tuple(sorted(best.extra)),
    )


def fitting(state: State, known: Iterable[Arch]) -> list[str]:
    """Names of the archs among *known* that *state* fits."""
    found = []
    for arch in known:
        for layout in arch.layouts:
            if not _has_head(state, layout):
                continue  # reading a network to compare with takes a moment
            with contextlib.suppress(CheckpointError):  # a form of the network that was never published
                attempt = _attempt(state, arch, layout)
                if not attempt.missing and not attempt.shapes:
                    found.append(arch.name)
                    break
    return found


def _has_head(state: State, layout: Layout) -> bool:
    return any(f"{head}.weight" in state for head in layout.heads)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Attempt:
    """The result of reading a file as one layout; names are those of the file."""

    layout: Layout
    network: Network
    joints: int
    weights: dict[str, NDArray[np.float32]]
    missing: list[str]
    shapes: list[str]
    extra: set[str]

    @property
    def lacks_only_heads(self) -> bool:
        """Whether parameters are missing, and all of them are of the last layer."""
        return bool(self.missing) and all(name.startswith(self.layout.heads) for name in self.missing)


def _attempt(state: State, arch: Arch, layout: Layout) -> _Attempt:
    heads = (state[f"{head}.weight"] for head in layout.heads if f"{head}.weight" in state)
    rows = next((len(head) for head in heads if head.ndim), arch.joints + layout.background)
    joints = rows - layout.background
    network = layout.network(state, joints)
    weights: dict[str, NDArray[np.float32]] = {}
    missing, shapes, used = [], [], set()
    for key, shape in network.parameters(joints).items():
        source = layout.key(key)
        used.add(source)
        if key.endswith("running_var"):
            used.add(layout.key(key.replace("running_var", "num_batches_tracked")))  # matters only while training
        if source not in state:
            missing.append(source)
        elif state[source].shape != shape:
            shapes.append(f"{source} expected {_shape(shape)}, got {_shape(state[source].shape)}")
        else:
            weights[key] = np.ascontiguousarray(state[source], np.float32)
    return _Attempt(
        layout=layout,
        network=network,
        joints=joints,
        weights=weights,
        missing=missing,
        shapes=shapes,
        extra=set(state) - used,
    )


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


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a number"
