"""Manifests of earlier versions, with the keys of the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def from_schema_1(content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of schema 1 in schema 2, which calls some things by other names."""
    out: dict[str, Any] = {**content, "schema": 2}
    if "source" in out:
        out["source"] = _renamed(out["source"], {"asked": "requested", "granted": "actual"})
    if isinstance(out.get("models"), list):
        out["models"] = [_renamed(model, {"people": "mode"}) for model in out["models"]]
    return out


def from_schema_2(content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of schema 2 in schema 3. What schema 2 does not say is left out."""
    out: dict[str, Any] = {"name": "", "tags": [], **content, "schema": 3}
    if "draw" in out:
        out["settings"] = [{"from_frame": 0, "draw": out.pop("draw")}]
    models = out.get("models")
    if isinstance(models, list):
        out["models"] = [_model_from_2(model) for model in models]
    out["segments"] = []  # one file for all models: the entries of the models say which joints it has from where on
    if all(isinstance(out.get(key), int) for key in _COUNTS_OF_2):
        written, lost, missed, unreadable = (out.pop(key) for key in _COUNTS_OF_2)
        out["counts"] = {
            "captured": written + lost + missed,
            "analysed": written + lost,
            "not_analysed": missed,
            "written": written,
            "lost": lost,
            "unreadable": unreadable,
        }
    return out


_COUNTS_OF_2 = ("frames", "dropped", "missed", "unreadable")


def _model_from_2(model: Any) -> Any:
    if not isinstance(model, dict):
        return model
    out = {key: model[key] for key in ("from_frame", "mode", "skeleton") if key in model}
    out["model"] = {"name": model.get("name", ""), "weights_sha256": model.get("sha256", "")}
    parts = str(model.get("backend", "")).split(" · ")
    out["backend"] = dict(zip(("runtime", "device", "precision"), parts, strict=False))
    out["backend"]["fallback"] = model.get("fallback", "")
    return out


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    return {names.get(key, key): value for key, value in part.items()} if isinstance(part, dict) else part
