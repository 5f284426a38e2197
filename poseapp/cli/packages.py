"""Packages that only some commands need: what to install where one is missing."""

from __future__ import annotations

import importlib

from poseapp.core.errors import PoseAppError

NAMES = {"torch": "PyTorch", "onnx": "onnx"}


def require(who: str, *modules: str) -> None:
    """Raise PoseAppError, which says what to install, where one of *modules* is missing; *who* is the sentence's beginning."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            wanted = f'{who} {NAMES[module]}, which is not installed. Install it with: pip install "poseapp[train]"'
            raise PoseAppError(wanted) from None
