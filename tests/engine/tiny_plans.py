"""Plans of the tiny model, and what stands for a GPU and for somebody who listens."""

from __future__ import annotations

import hashlib
from pathlib import Path

from poseapp.core.spec import ModelSpec
from poseapp.engine.driver import Gpu
from poseapp.engine.tensorrt.builder import ensure_plan
from poseapp.engine.tensorrt.plans import Plan, PlanInfo, PlanKey, PlanRequest, info_path, plan_path

GPU = Gpu("NVIDIA GeForce RTX 3060", (8, 6), "580.65.06")


def always(_text: str, _share: float) -> bool:
    return True


def accepts(_content: bytes) -> bool:
    return True


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.shares: list[float] = []

    def __call__(self, text: str, share: float) -> bool:
        self.texts.append(text)
        self.shares.append(share)
        return True


def ensure(folder: Path, *, gpu: Gpu = GPU, batch: int = 1, **more: object) -> Plan:
    """The FP32 plan of the model in *folder*; *more* are arguments of ``ensure_plan``."""
    options = {"progress": always, "accepts": accepts, **more}
    return ensure_plan(request_for(folder, gpu, batch), **options)  # type: ignore[arg-type]


def request_for(folder: Path, gpu: Gpu = GPU, batch: int = 1) -> PlanRequest:
    return PlanRequest(folder, ModelSpec.read(folder / "model.json"), "fp32", batch, gpu)


def key_of(folder: Path) -> PlanKey:
    return request_for(folder).key()


def write_plan(folder: Path, key: PlanKey, path: Path | None = None, content: bytes = b"a plan") -> Path:
    """A file that passes for a plan as long as nobody deserialises it."""
    path = path or plan_path(folder, key)
    path.write_bytes(content)
    info = PlanInfo(key, hashlib.sha256(content).hexdigest(), len(content), (), (), 1.0)
    info_path(path).write_text(info.to_json(), encoding="utf-8")
    return path
