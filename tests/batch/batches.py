"""Videos, models and batches that the tests of batches share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import tiny_model

from poseapp.batch.job import Job, Outcome
from poseapp.batch.method import Method, choose_method
from poseapp.batch.run import Batch, BatchOptions, prepare
from poseapp.core.types import PoseMode
from poseapp.live.sources import VideoSource
from poseapp.pipeline.modes import PoseSettings

FPS = 30


def dot_clip(path: Path, frames: int = 40, key_every: int = 10, fps: int = FPS, hw: tuple[int, int] = (120, 160)) -> Path:
    """A video of a bright dot that walks through a dim room, with a key picture every *key_every* pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if path.suffix != ".avi" else "mpeg4", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *hw, "yuv420p"
        stream.codec_context.gop_size = key_every
        stream.options = {"crf": "18", "x264-params": f"keyint={key_every}:scenecut=0"} if path.suffix != ".avi" else {}
        for n in range(frames):
            image = np.full((*hw, 3), 60, np.uint8)
            x, y = 20 + 2 * n % (hw[1] - 40), 40 + n % (hw[0] - 60)
            image[y : y + 8, x : x + 8] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def shortened(clip: Path, to: Path, frames: int, key_every: int) -> Path:
    """The first *frames* of *clip* at half its size, with a key picture every *key_every* pictures."""
    source = VideoSource(clip)
    source.open()
    with av.open(str(to), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = 360, 640, "yuv420p"
        stream.options = {"crf": "20", "x264-params": f"keyint={key_every}:scenecut=0"}
        for _ in range(frames):
            item = source.read()
            assert item is not None
            image = np.ascontiguousarray(item[0][::2, ::2])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    source.close()
    return to


def tiny_store(parent: Path) -> Path:
    """A model store with the tiny model."""
    tiny_model.write_model(parent / "store" / "tiny")
    return parent / "store"


def tiny_method(store: Path, smoothing: float = 0.5) -> Method:
    """The tiny model, one person."""
    return choose_method(store, "tiny", PoseSettings(smoothing=smoothing), "cpu", "fp32", None)[0]


def bundled_method(engines: Path, mode: PoseMode) -> Method:
    """A small bundled model for *mode*."""
    model = "openpose-s" if mode == "bottom-up" else "hourglass-t"
    return choose_method(engines, model, PoseSettings(mode=mode), "cpu", "fp32", None)[0]


def batch_of(paths: list[Path], out: Path, method: Method, **more: Any) -> Batch:
    """What *paths* come to."""
    return prepare(BatchOptions(paths=tuple(map(str, paths)), out=out, method=method, **more))


class Notes:
    """A Watcher that remembers what it was told, in order."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.outcomes: dict[str, Outcome] = {}
        self.shares: dict[str, list[tuple[int, int]]] = {}
        self.notes: list[str] = []

    def began(self, job: Job) -> None:
        self.begun.append(job.source.path.name)

    def went(self, job: Job, done: int, total: int) -> None:
        assert job.source.path.name in self.begun, "an end or a share comes after the beginning"
        self.shares.setdefault(job.source.path.name, []).append((done, total))

    def ended(self, job: Job, outcome: Outcome) -> None:
        assert job.source.path.name in self.begun
        self.outcomes[job.source.path.name] = outcome

    def note(self, text: str) -> None:
        self.notes.append(text)


def lines(folder: Path) -> list[dict[str, Any]]:
    """The joints of the result in *folder*."""
    return [json.loads(line) for line in (folder / "keypoints.jsonl").read_text(encoding="utf-8").splitlines()]


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
