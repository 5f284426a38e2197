"""Pieces of a video, analysed apart and joined, are the whole: frame by frame, joint by joint, identity by identity."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import bundled_method, dot_clip, lines, shortened, tiny_method, tiny_store

from poseapp.batch import joining
from poseapp.batch.joining import PieceAnalyst
from poseapp.batch.looks import Looks, RecallingPredictor
from poseapp.batch.method import Method
from poseapp.batch.pieces import NotCuttableError, PieceReader, duration_s, plan_pieces
from poseapp.core.errors import RecordError
from poseapp.core.skeleton import MPII_16
from poseapp.core.types import PoseMode
from poseapp.live.recording import RecordOptions
from poseapp.live.sources import VideoSource
from poseapp.live.status import ModelRequest
from poseapp.live.whole_clip import ClipAnalyst


def whole(clip: Path, method: Method, to: Path) -> Path:
    request = ModelRequest(method.folder, method.device, method.precision, method.mode)
    with ClipAnalyst(request, method.settings, load=method.open_engine, builds_first=lambda *_: False) as analyst:
        return analyst.analyse(VideoSource(clip), RecordOptions(folder=to, annotated_video=False)).folder


def joined(clip: Path, method: Method, to: Path, piece_s: float, video: bool = False) -> Path:
    pieces = plan_pieces(clip, piece_s)
    assert len(pieces) > 2
    analyst = PieceAnalyst(method)
    try:
        files = [to / f"{piece.index}.npz" for piece in pieces]
        to.mkdir()
        for piece, file in reversed(list(zip(pieces, files, strict=True))):  # in any order
            analyst.analyse(clip, piece, file, lambda _done: True)
        options = RecordOptions(folder=to, annotated_video=video)
        return analyst.join(clip, pieces, files, options, lambda _done: True).folder
    finally:
        analyst.close()


def test_joined_pieces_of_a_small_video_are_the_whole(tmp_path: Path) -> None:
    clip = dot_clip(tmp_path / "clip.mp4", frames=60, key_every=10, fps=25)
    method = tiny_method(tiny_store(tmp_path))
    one = lines(whole(clip, method, tmp_path / "whole"))
    many = lines(joined(clip, method, tmp_path / "joined", 0.4, video=True))
    assert many == one
    assert [line["frame"] for line in one] == list(range(60))
    assert sum(bool(line["people"]) for line in one) > 50, "somebody is there to be compared"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["one", "top-down", "bottom-up"])
def test_joined_pieces_of_a_person_are_the_whole(
    repo_root: Path, demo_clip: Path, tmp_path: Path, mode: PoseMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictors: list[RecallingPredictor] = []

    class Kept(RecallingPredictor):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            predictors.append(self)

    monkeypatch.setattr(joining, "RecallingPredictor", Kept)
    clip = shortened(demo_clip, tmp_path / "clip.mp4", 120, 30)
    method = bundled_method(repo_root / "engines", mode)
    one = lines(whole(clip, method, tmp_path / "whole"))
    assert lines(joined(clip, method, tmp_path / "joined", 1.0)) == one
    assert {person["id"] for line in one for person in line["people"]} >= {1}
    (predictor,) = predictors
    assert predictor.misses < 60, "most of what the pieces have found is used"


def test_the_pictures_of_the_pieces_are_those_of_the_video(tmp_path: Path) -> None:
    clip = dot_clip(tmp_path / "clip.mkv", frames=45, key_every=10)
    source = VideoSource(clip)
    source.open()
    expected = []
    while (item := source.read()) is not None:
        expected.append((item[0].tobytes(), item[1]))
    source.close()
    pieces = plan_pieces(clip, 0.3)
    got = []
    for piece in pieces:
        reader = PieceReader(clip, piece)
        got += [(image.tobytes(), t) for image, t in zip(reader, piece.times_s, strict=True)]
    assert got == expected
    assert duration_s(clip) == pytest.approx(1.5, abs=0.1)


def test_what_cannot_be_cut_exactly_is_not_cut(tmp_path: Path) -> None:
    with pytest.raises(NotCuttableError):
        plan_pieces(dot_clip(tmp_path / "clip.avi"), 0.3)
    with pytest.raises(NotCuttableError, match="no key pictures"):
        plan_pieces(dot_clip(tmp_path / "clip.mp4", frames=40, key_every=100), 0.3)
    cut_off = dot_clip(tmp_path / "cut.mkv", frames=120)
    cut_off.write_bytes(cut_off.read_bytes()[: cut_off.stat().st_size // 3])
    with pytest.raises(NotCuttableError):
        plan_pieces(cut_off, 0.3)


def test_a_piece_that_was_read_otherwise_is_not_joined(tmp_path: Path) -> None:
    clip = dot_clip(tmp_path / "clip.mp4", frames=60, key_every=10)
    method = tiny_method(tiny_store(tmp_path))
    pieces = plan_pieces(clip, 0.4)
    analyst = PieceAnalyst(method)
    files = [tmp_path / f"{piece.index}.npz" for piece in pieces]
    for piece, file in zip(pieces, files, strict=True):
        analyst.analyse(clip, piece, file, lambda _done: True)
    looks = Looks.read(files[1], MPII_16)

    def refused(message: str) -> None:
        with pytest.raises(NotCuttableError, match=message):
            analyst.join(clip, pieces, files, RecordOptions(folder=tmp_path / "out", annotated_video=False), lambda _done: True)

    looks.first_pictures = ("0" * 32,)
    looks.write(files[1], MPII_16.k)
    refused("differ")
    looks = Looks.read(files[0], MPII_16)
    looks.backend = "another runtime"
    looks.write(files[0], MPII_16.k)
    refused("another runtime")
    analyst.close()


def test_looks_come_back_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    clip = dot_clip(tmp_path / "clip.mp4", frames=40, key_every=10)
    analyst = PieceAnalyst(tiny_method(tiny_store(tmp_path)))
    file = tmp_path / "1.npz"
    analyst.analyse(clip, plan_pieces(clip, 0.3)[1], file, lambda _done: True)
    analyst.close()
    looks = Looks.read(file, MPII_16)
    assert {frame for frame, _ in looks.people} == set(range(10, 20))
    assert len(looks.first_pictures) == len(looks.next_pictures) == 3
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(RecordError, match="damaged"):
        Looks.read(file, MPII_16)
    with pytest.raises(RecordError, match="damaged"):
        Looks.read(tmp_path / "missing.npz", MPII_16)
