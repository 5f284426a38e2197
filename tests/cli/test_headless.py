"""``poseapp run --headless`` while it waits: a line at once, an end, and the truth about what was left out."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tiny_model
from clips import Server, grey_clip
from fakes import FlakyCamera, HungCamera

from poseapp.cli import headless as cli_headless
from poseapp.cli.main import main
from poseapp.core.types import ImageArray
from poseapp.live import capture as capture_module
from poseapp.live.sources import Source

LOST = r"flaky camera: (gives no pictures any more\. Check its plug|cannot be opened\. Plug it in)\."


@pytest.fixture
def store(tmp_path: Path) -> Path:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(cli_headless, "RETRY_S", 0.05)
    monkeypatch.setattr(cli_headless, "QUIET_S", 0.5)


class Run:
    """One headless run: its exit status, what it said, and what it wrote."""

    def __init__(self, source: str, store: Path, capsys: pytest.CaptureFixture[str], *options: str) -> None:
        out = store.parent / "out"
        self.status = main(["run", source, "--headless", "--engines-dir", str(store), "-o", str(out), *options])
        self.out, err = capsys.readouterr()
        self.said = [line for line in err.splitlines() if line.strip()]
        self.frames: list[dict[str, Any]] = []
        self.session: dict[str, Any] = {}
        for folder in out.iterdir() if out.is_dir() else ():
            self.frames = [json.loads(line) for line in (folder / "keypoints.jsonl").read_text().splitlines()]
            self.session = json.loads((folder / "session.json").read_text())


class LostForGood(FlakyCamera):
    """A camera that is lost as soon as something was recorded, and does not come back."""

    def __init__(self, out: Path) -> None:
        super().__init__([])
        self._out = out

    def read(self) -> tuple[ImageArray, float] | None:
        if any(file.stat().st_size for file in self._out.glob("*/keypoints.jsonl")):
            self._script, self._left = [None] * 10_000, 0
        return super().read()


def instead(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    """Every text names *source*."""
    monkeypatch.setattr("poseapp.live.sources.parse_source", lambda _text: source)


@pytest.mark.parametrize("source", ["camera:99", "http://127.0.0.1:9/live", "rtsp://127.0.0.1:9/x"])
def test_what_cannot_be_opened_is_said_at_once_and_has_an_end(
    source: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(source, store, capsys, "--wait", "1")
    assert run.status == 1
    assert len(run.said) == 2
    assert re.fullmatch(r".*cannot be opened.*\. Trying for 1 s\.", run.said[0])
    assert re.fullmatch(r"poseapp: .*cannot be opened.*\. Given up after 1 s; --wait sets how long\.", run.said[1])
    assert "Trying again" not in "".join(run.said)


def test_the_first_line_is_there_before_the_end(repo_root: Path, store: Path, tmp_path: Path) -> None:
    """In a file or a pipe, too, where nobody sees a progress bar."""
    command = [sys.executable, str(repo_root / "main.py"), "run", "camera:99", "--headless", "--engines-dir", str(store)]
    with subprocess.Popen([*command, "-o", str(tmp_path / "out")], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
        process.communicate(timeout=60)
    assert line == "Camera 99: cannot be opened. Plug it in, or close the other program that uses it. Trying for 30 s.\n"


def test_a_source_that_is_lost_for_good_ends_the_run_and_the_recording_is_whole(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, LostForGood(store.parent / "out"))
    run = Run("camera", store, capsys, "--wait", "1")
    assert run.status == 1
    assert re.fullmatch(f"poseapp: {LOST} Given up after 1 s; --wait sets how long.", run.said[-1])
    assert all(re.fullmatch(f"{LOST} Trying for 1 s.", line) for line in run.said[:-1])
    assert 1 <= len(run.said) - 1 <= 2  # lost, then not there: each once
    assert run.session["finished"]
    assert run.frames
    # Every picture that the camera gave after the first is a line, or one of those that are told.
    counts = run.session["counts"]
    told = f"{counts['captured']} captured, {counts['analysed']} analysed, {len(run.frames)} written, {counts['lost']} lost by"
    assert f"frames     {told} the recorder" in run.out
    assert len(run.frames) + counts["lost"] + counts["not_analysed"] == counts["captured"] > run.frames[-1]["frame"]


def test_a_source_that_comes_back_is_no_failure(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, FlakyCamera([None, None, 100]))
    run = Run("camera", store, capsys, "--wait", "30", "--seconds", "3")
    assert run.status == 0
    assert run.said
    assert all(re.fullmatch(f"{LOST} Trying for 3 s.", line) for line in run.said)


def test_a_run_that_ends_while_its_source_is_lost_has_failed(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, FlakyCamera([None] * 10_000))
    run = Run("camera", store, capsys, "--wait", "60", "--seconds", "1")
    assert run.status == 1
    assert re.match(f"poseapp: {LOST}", run.said[-1])


def test_a_camera_that_hangs_is_noticed(store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, HungCamera(unblocks=True))
    run = Run("camera", store, capsys, "--wait", "1")
    assert run.status == 1
    assert "hung camera: gives no picture. Trying for 1 s." in run.said
    assert run.said[-1] == "poseapp: hung camera: gives no picture. Given up after 1 s; --wait sets how long."


def test_a_file_may_take_its_time(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run(str(grey_clip(tmp_path / "a.mkv", [0.0, 0.1])), store, capsys, "--wait", "0")
    assert run.status == 0
    assert len(run.frames) == 2


def test_a_clip_on_a_server_gives_every_picture(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    server = Server(grey_clip(tmp_path / "a.mkv", [n / 240 for n in range(240)]).read_bytes())
    try:
        run = Run(server.url, store, capsys)
    finally:
        server.close()
    assert run.status == 0
    assert [line["frame"] for line in run.frames] == list(range(240))
    np.testing.assert_allclose([line["t"] for line in run.frames], np.arange(240) / 240, atol=1e-3)
    assert "frames     240 captured, 240 analysed, 240 written, 0 lost by the recorder" in run.out


def test_pictures_that_could_not_be_read_are_counted_and_named(
    store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(12):
        assert cv2.imwrite(str(folder / f"{n}.jpg"), np.full((48, 64, 3), 20 * n, np.uint8))
    for n in (0, 4, 11):
        content = (folder / f"{n}.jpg").read_bytes()
        (folder / f"{n}.jpg").write_bytes(content[:-40])
    run = Run(str(folder), store, capsys)
    assert run.status == 0
    assert [(line["frame"], line["file"]) for line in run.frames] == [(n, f"{n}.jpg") for n in (1, 2, 3, *range(5, 11))]
    assert "unreadable 3 of the source's pictures: their numbers are left out" in run.out
    for n in (0, 4, 11):
        assert f"{folder / f'{n}.jpg'}: the picture is cut off. Try another file." in run.out
    assert run.session["counts"]["unreadable"] == 3
    assert run.session["counts"]["not_analysed"] == 0


@pytest.mark.parametrize("name", ["[red] 100%.mkv", "[bold]{0} %s.mkv", "] [.mkv"])
def test_a_name_means_nothing_to_the_progress_bar(
    name: str, store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = grey_clip(tmp_path / name, [0.0, 0.1])
    run = Run(str(path), store, capsys)
    assert run.status == 0
    assert run.session["source"]["name"] == path.name


def test_the_rate_does_not_count_the_time_in_which_the_model_was_loaded() -> None:
    assert cli_headless._RunFigures(begun=100.0, ready=104.0).working_s(110.0) == 6.0
    assert cli_headless._RunFigures(begun=100.0).working_s(110.0) == 10.0


def test_people_are_hidden_in_the_annotated_video_alone(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.mp4"
    grey_clip(clip, [i / 30 for i in range(5)])
    run = Run(str(clip), store, capsys, "--background", "green", "--blur-faces", "--clean-video")
    assert run.status == 0
    draw = run.session["settings"][0]["draw"]
    assert (draw["background"], draw["blur_faces"]) == ("green", True)
    (folder,) = (store.parent / "out").iterdir()
    colours = {}
    for name in ("annotated.mkv", "clean.mkv"):
        reader = cv2.VideoCapture(str(folder / name))
        ok, picture = reader.read()
        reader.release()
        assert ok
        colours[name] = picture[1, 1].astype(int)
    assert np.abs(colours["annotated.mkv"] - (64, 177, 0)).max() < 12
    assert np.ptp(colours["clean.mkv"]) < 12, "grey as the clip"


# -- start and stop ------------------------------------------------------------------------------------------------


def test_a_run_stops_at_the_length_of_its_recording(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "grey.mkv", [n / 30 for n in range(60)])
    run = Run(str(clip), store, capsys, "--stop-after", "1")
    assert run.status == 0
    assert len(run.frames) == run.session["counts"]["captured"] == sum(1 for line in run.frames if line["t"] < 1)
    assert 0 < len(run.frames) < 60
    assert run.session["ended_by"] == "length"
    assert "stopped    The recording is as long as you chose." in run.out


def test_a_countdown_is_said_and_its_frames_are_not_recorded(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, FlakyCamera([], fps=30))
    run = Run("camera", store, capsys, "--countdown", "2", "--stop-after", "1")
    assert run.status == 0
    digits = [line.lstrip("\a") for line in run.said]
    assert [line for line in digits if line in ("1", "2")] == ["2", "1"]
    assert run.session["start_stop"]["countdown_s"] == 2
    assert run.frames[0]["t"] < 1
    assert run.session["ended_by"] == "length"


def test_a_file_has_no_countdown(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run(str(grey_clip(tmp_path / "grey.mkv", [n / 30 for n in range(60)])), store, capsys, "--countdown", "3")
    assert run.status == 1
    assert re.fullmatch(r"poseapp: --countdown: expected a camera or a live stream, got .*\. Leave it out: .*", run.said[-1])
    assert run.session == {}


def test_a_run_that_waits_for_a_hand_says_so_and_that_none_was_raised(
    store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = Run(str(grey_clip(tmp_path / "grey.mkv", [n / 30 for n in range(60)])), store, capsys, "--hand", "start")
    assert run.status == 1
    assert "Hold one hand above the head for 2 s to begin the recording." in run.said
    assert run.said[-1].endswith("it was over before the recording began. Nothing was recorded.")
    assert run.session == {}


def test_a_hand_that_means_nothing_is_refused(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run("synthetic", store, capsys, "--hand", "wave")
    assert run.status == 2
    assert "expected off, start, start-stop, got wave" in " ".join(run.said)


# -- sound ---------------------------------------------------------------------------------------------------------


def test_a_run_records_sound_and_tells_of_it(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, FlakyCamera([], fps=30))
    run = Run("camera", store, capsys, "--microphone", "synthetic", "--stop-after", "1")
    assert run.status == 0
    assert run.session["sound"]["microphone"] == "Synthetic microphone"
    assert run.session["sound"]["file"] == ""
    assert re.search(r"^sound      \d\.\d s of Synthetic microphone, \d\.\d\d s of it lost$", run.out, re.MULTILINE)


def test_a_microphone_that_is_not_there_is_one_line_and_the_run_goes_on(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, FlakyCamera([], fps=30))
    run = Run("camera", store, capsys, "--microphone", "no such microphone", "--stop-after", "1")
    assert run.status == 0
    assert run.frames
    assert [line for line in run.said if line.startswith(("no such microphone: there is no such", "Microphone: "))] != []


def test_a_file_has_no_microphone(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "grey.mkv", [n / 30 for n in range(60)])
    run = Run(str(clip), store, capsys, "--microphone", "synthetic")
    assert run.status == 1
    assert re.fullmatch(r"poseapp: --microphone: expected a camera or a live stream, got .*\. Leave it out: .*", run.said[-1])
