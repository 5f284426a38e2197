"""ClipAnalyst: one clip after another with one model, each as if it were the only one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Loader, MarkerSource
from sessions import A, lines

from poseapp.core.errors import PoseAppError
from poseapp.live.recording import Recording, RecordOptions
from poseapp.live.sources import VideoSource
from poseapp.live.status import ModelRequest, Status
from poseapp.live.whole_clip import ClipAnalyst
from poseapp.pipeline.modes import PoseSettings


def analyst(load: Loader) -> ClipAnalyst:
    return ClipAnalyst(ModelRequest(A), PoseSettings(), load=load, builds_first=load.builds_first)


def analysed(one: ClipAnalyst, folder: Path, seconds: float = 1.0) -> Recording:
    return one.analyse(MarkerSource((120, 160), fps=20, seconds=seconds), RecordOptions(folder=folder, annotated_video=False))


def test_each_clip_is_analysed_as_if_it_were_the_only_one(tmp_path: Path) -> None:
    load = Loader()
    with analyst(load) as one:
        first, second = analysed(one, tmp_path / "1"), analysed(one, tmp_path / "2")
    assert not first.active
    assert first.counts.analysed == first.counts.captured == first.counts.written == 20
    assert lines(first.folder) == lines(second.folder)
    assert [line["frame"] for line in lines(second.folder)] == list(range(20))
    assert sorted(path.name for path in second.folder.iterdir()) == ["keypoints.jsonl", "session.json"]


def test_the_model_is_loaded_once(tmp_path: Path) -> None:
    class Counting(Loader):
        loads = 0

        def __call__(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
            Counting.loads += 1
            return super().__call__(*arguments, **options)  # type: ignore[arg-type]

    with analyst(Counting()) as one:
        for n in range(3):
            analysed(one, tmp_path / str(n))
    assert Counting.loads == 1


def test_a_clip_that_fails_is_an_error_and_the_next_one_goes_on(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with analyst(Loader()) as one:
        with pytest.raises(PoseAppError, match="not a video"):
            one.analyse(VideoSource(tmp_path / "bad.mp4"), RecordOptions(folder=tmp_path / "bad"))
        assert not (tmp_path / "bad").exists()
        assert analysed(one, tmp_path / "good").counts.analysed == 20


def test_given_up_it_keeps_what_is_done_and_goes_on_with_the_next(tmp_path: Path) -> None:
    def after_some(status: Status) -> bool:
        return status.recording is None or status.recording.frames < 5

    with analyst(Loader()) as one:
        source = MarkerSource((120, 160), fps=20, seconds=500.0)
        part = one.analyse(source, RecordOptions(folder=tmp_path / "part", annotated_video=False), after_some)
        assert 5 <= part.counts.written < 10_000
        assert len(lines(part.folder)) == part.counts.written
        assert lines(analysed(one, tmp_path / "next").folder)[0]["frame"] == 0
