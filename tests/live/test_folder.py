"""Folders of pictures: their order, their names in the outputs, and what could not be read."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import MarkerEngine, wait_until

from poseapp.core.types import Frame
from poseapp.live.capture import CaptureEvents, capture
from poseapp.live.recording import RecordOptions
from poseapp.live.recording.picture_files import written_pictures
from poseapp.live.recording.video_writer import placement
from poseapp.live.session import Session
from poseapp.live.sources import FolderSource, Source
from poseapp.live.sources.animation import AnimationSource
from poseapp.live.sources.parse import parse_source
from poseapp.live.sources.pictures import list_pictures, natural
from poseapp.live.status import ModelRequest


def pictures(folder: Path, *names: str, hw: tuple[int, int] = (24, 32)) -> Path:
    for n, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / name), np.full((*hw, 3), 10 * n, np.uint8))
    return folder


def order(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in list_pictures(folder)]


@pytest.mark.parametrize(
    "names",
    [
        ["frame1.png", "frame2.png", "frame10.png", "frame100.png"],
        ["a.png", "B.png", "c2.png", "C10.png"],
        ["1.png", "02.png", "3.png", "010.png"],
        ["shot ٢.png", "shot ٣.png", "shot ١٠.png"],  # 2, 3 and 10 in Arabic digits
        ["2-1.png", "2-10.png", "10-1.png"],
        ["cam1/9.png", "cam1/10.png", "cam2/1.png", "cam10/1.png"],
        ["x²1.png", "x²2.png", "x²10.png"],
    ],
)
def test_names_are_sorted_as_people_count(names: list[str], tmp_path: Path) -> None:
    assert order(pictures(tmp_path, *reversed(names))) == names


def test_the_order_of_names_is_complete() -> None:
    names = ["a1", "a01", "A1", "a", "1a", "", "é", "e\u0301", "a1b", "a1B2"]
    backwards = names[::-1]
    assert sorted(names, key=natural) == sorted(backwards, key=natural)
    assert natural("é")[0] == natural("e\u0301")[0]  # as Linux and macOS write it


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", ".trash/b.png", "sub/c.png")
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves on other disks")
    assert order(tmp_path) == ["a.png", "sub/c.png"]


def frames_of(source: Source) -> tuple[list[Frame], list[tuple[int, list[str]]]]:
    frames: list[Frame] = []
    told: list[tuple[int, list[str]]] = []
    events = CaptureEvents(
        frame=frames.append,
        opened=lambda _: None,
        lost=lambda _: None,
        ended=lambda: None,
        unreadable=lambda n, lines: told.append((n, list(lines))),
    )
    capture(source, False, 0, events, threading.Event())
    return frames, told


def test_a_picture_that_cannot_be_read_leaves_its_number_free(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{n}.png" for n in range(6)))
    for n in (0, 3, 5):
        (tmp_path / f"{n}.png").write_bytes(b"no picture")
    frames, told = frames_of(FolderSource(tmp_path))
    assert [(f.index, f.file) for f in frames] == [(1, "1.png"), (2, "2.png"), (4, "4.png")]
    assert [n for n, _ in told] == [1, 1, 1]
    assert [Path(line.partition(":")[0]).name for _, lines in told for line in lines] == ["0.png", "3.png", "5.png"]


def test_in_a_loop_it_is_said_once(tmp_path: Path) -> None:
    pictures(tmp_path, "0.png", "1.png")
    (tmp_path / "2.png").write_bytes(b"no picture")
    source = FolderSource(tmp_path, loop=True)
    source.open()
    places = [source.place for _ in range(5) if source.read() is not None]
    assert places == [0, 1, 3, 4, 6]
    assert source.unreadable == len(source.skipped) == 1


def test_a_recording_names_the_pictures_says_their_size_and_what_is_missing(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "1.png", "10.png", hw=(90, 160))
    pictures(folder, "2.png", hw=(360, 640))
    pictures(folder, "sub/1.png", hw=(200, 100))
    (folder / "3.png").write_bytes(b"no picture")
    session = Session(
        FolderSource(folder),
        ModelRequest(Path("fake")),
        realtime=False,
        load=lambda *_a, **_k: MarkerEngine(),
        open_detector=lambda _: None,
    )
    recording = session.start_recording(RecordOptions(folder=tmp_path / "out", clean_video=True))
    session.start()
    assert session.wait(30)
    session.stop()
    lines = [json.loads(line) for line in (recording / "keypoints.jsonl").read_text().splitlines()]
    assert [(line["frame"], line["file"]) for line in lines] == [(0, "1.png"), (1, "2.png"), (3, "10.png"), (4, "sub/1.png")]
    assert [line["size"] for line in lines] == [[160, 90], [640, 360], [160, 90], [100, 200]]
    assert not any("fitted" in line for line in lines)
    manifest = json.loads((recording / "session.json").read_text())
    assert (manifest["counts"]["unreadable"], manifest["counts"]["not_analysed"], manifest["counts"]["lost"]) == (1, 0, 0)
    assert manifest["skipped"] == [f"{folder / '3.png'}: not a picture that can be read. Try another file."]
    assert manifest["source"]["actual"]["width"] == 160
    assert not [*recording.glob("*.mkv")]
    for name in ("clean", "annotated"):
        written = {}
        for file in written_pictures(recording / name):
            image = cv2.imread(str(file))
            assert image is not None
            written[file.relative_to(recording / name).as_posix()] = [*image.shape[1::-1]]
        assert written == {line["file"]: line["size"] for line in lines}


@pytest.mark.parametrize("hw", [(360, 640), (200, 100), (30, 300), (91, 161)])
def test_a_joint_is_where_the_line_says_in_a_video_of_another_size(hw: tuple[int, int]) -> None:
    from poseapp.live.recording.video_writer import fit_into

    at = hw[1] // 3, hw[0] // 2
    image = np.zeros((*hw, 3), np.uint8)
    cv2.circle(image, at, max(4, min(hw) // 12), (255, 255, 255), -1)
    fitted = fit_into(image, (90, 160)).astype(float)[..., 0]
    y, x = np.mgrid[:90, :160]
    seen = (fitted * x).sum() / fitted.sum(), (fitted * y).sum() / fitted.sum()
    found = placement(hw, (90, 160))
    assert found is not None
    scale, dx, dy = found
    assert (scale * at[0] + dx, scale * at[1] + dy) == pytest.approx(seen, abs=0.6)


def test_a_picture_that_is_only_made_even_lies_where_it_did() -> None:
    assert placement((89, 159), (90, 160)) is None
    assert placement((90, 160), (90, 160)) is None
    assert placement((90, 150), (90, 160)) == (1.0, 5.0, 0.0)


def test_a_picture_of_another_size_begins_a_new_search(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", hw=(90, 160))
    pictures(tmp_path, "2.png", "3.png", hw=(60, 80))
    session = Session(
        FolderSource(tmp_path),
        ModelRequest(Path("fake")),
        realtime=False,
        load=lambda *_a, **_k: MarkerEngine(),
        open_detector=lambda _: None,
    )
    session.start()
    assert session.wait(30)
    wait_until(lambda: session.status().actual is not None)
    actual = session.status().actual
    session.stop()
    assert actual is not None
    assert (actual.width, actual.height) == (80, 60)


# -- animations --------------------------------------------------------------------------------------------------------


def test_every_picture_of_an_animated_webp_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_module = pytest.importorskip("PIL.Image")
    frames = [image_module.fromarray(np.full((24, 32, 3), value, np.uint8)) for value in range(0, 200, 10)]
    shown_ms = [20 + n for n in range(19)] + [0]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=shown_ms, lossless=True)
    monkeypatch.setattr("poseapp.live.sources.animation.CHUNK_BYTES", 24 * 32 * 4 * 7)
    source = parse_source(str(tmp_path / "a.webp"))
    assert isinstance(source, AnimationSource)
    mode = source.open()
    assert (mode.width, mode.height) == (32, 24)
    items = list(iter(source.read, None))
    assert [int(image.mean()) for image, _ in items] == list(range(0, 200, 10))
    np.testing.assert_allclose([t for _, t in items], np.cumsum([0, *shown_ms[:-1]]) / 1000)
    source.close()
    source = AnimationSource(tmp_path / "a.webp", loop=True)
    source.open()
    again = [source.read() for _ in range(25)]
    assert all(item is not None for item in again)
    assert again[20] is not None
    assert again[20][1] == pytest.approx(sum(shown_ms[:-1]) / 1000 + 0.1)
    source.close()
