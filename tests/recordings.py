"""Real recordings, made by the recorder: a figure walks, its joints are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fakes import SPEC, MarkerSource

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses, Result
from poseapp.engine.base import Backend
from poseapp.live.recording import ModelEntry, Recorder, RecordOptions, SourceEntry
from poseapp.live.stats import Stats

SOURCE = MarkerSource((120, 160))
BACKEND = Backend("Fake 1", "CPU", "FP32", "no GPU here")
FPS = 30


def recorded_result(index: int, people: int = 1) -> Result:
    """Frame *index* with *people* in it, all in the same place."""
    t = index / FPS
    xy = np.repeat(SOURCE.truth(t)[None], people, axis=0).astype(np.float32)
    score = np.full((people, COCO_17.k), 0.8, np.float32)
    poses = Poses(
        xy=xy, score=score, person_score=np.full(people, 0.75, np.float32), ids=np.arange(1, people + 1), skeleton=COCO_17
    )
    return Result(frame=Frame(SOURCE.picture(t), index, t), poses=poses, model="fake")


def make_recording(
    parent: Path, frames: int = 60, clean: bool = True, people: int = 1, name: str = "", tags: tuple[str, ...] = ()
) -> Path:
    """A finished recording of *frames* in *parent*; its folder, called *name* where there is one."""
    options = RecordOptions(folder=parent, clean_video=clean, tags=tags)
    recorder = Recorder(options, SourceEntry(name="figure"), Stats(), lossless=True)
    recorder.model_changed(ModelEntry(mode="one", model=SPEC, backend=BACKEND))
    for index in range(frames):
        one = recorded_result(index, people)
        recorder.capture(one.frame)
        recorder.put(one)
    recorder.close()
    assert recorder.join(60)
    return recorder.folder.rename(parent / name) if name else recorder.folder
