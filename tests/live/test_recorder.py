"""Recordings: true times, whole files whatever happens, and data that no drawing option touches."""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import decoded, packets
from fakes import SPEC, MarkerSource, wait_until

from poseapp.core.errors import RecordError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, ImageArray, PoseMode, Poses, Result
from poseapp.engine.base import Backend
from poseapp.live.recording import ModelEntry, Recorder, RecordOptions, SourceEntry, save_snapshot
from poseapp.live.recording import lane as lane_module
from poseapp.live.recording import recorder as record_module
from poseapp.live.recording.folder import RESERVE_BYTES
from poseapp.live.recording.keypoints import keypoints_of
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.sources import Mode
from poseapp.live.stats import Stats
from poseapp.render import DrawOptions

SOURCE = MarkerSource((120, 160))
BACKEND = Backend("Fake 1", "CPU", "FP32", "no GPU here")


def result(index: int, t: float, image: ImageArray | None = None, people: int = 1) -> Result:
    frame = Frame(SOURCE.picture(index / 30) if image is None else image, index, t)
    xy = np.repeat(SOURCE.truth(index / 30)[None], people, axis=0)
    n = np.full((people, 17), 0.8, np.float32)
    poses = Poses(xy=xy, score=n, person_score=np.full(people, 0.75, np.float32), ids=np.arange(1, people + 1), skeleton=COCO_17)
    return Result(frame=frame, poses=poses, model="fake")


NOWHERE = SourceEntry(name="s")  # the source of frames that are put by hand


def feed(recorder: Recorder, one: Result) -> None:
    """What a session does with a frame, one after the other."""
    recorder.capture(one.frame)
    recorder.put(one)


def model(mode: PoseMode, backend: Backend = BACKEND) -> ModelEntry:
    return ModelEntry(mode=mode, model=SPEC, backend=backend)


@contextmanager
def recording(folder: Path, options: RecordOptions | None = None, **more: Any) -> Iterator[Recorder]:
    """A lossless recorder that is finished at the end."""
    recorder = Recorder(options or RecordOptions(folder=folder), NOWHERE, Stats(), lossless=True, **more)
    try:
        yield recorder
    finally:
        recorder.close()
        assert recorder.join(20)


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "keypoints.jsonl").read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    return content


# -- what is written -------------------------------------------------------------------------------------------------


def test_presentation_times_are_capture_times(tmp_path: Path) -> None:
    times = 500.0 + np.cumsum([0.0, 0.033, 0.101, 0.0005, 0.0, 0.2, 1.5, 0.033, 0.04])
    with recording(tmp_path) as recorder:
        for i, t in enumerate(times):
            feed(recorder, result(i, float(t)))
    pts, duration = packets(recorder.folder / "annotated.mkv")
    assert len(pts) == len(times)
    assert (np.diff(pts) > 0).all()
    np.testing.assert_allclose(pts, times - times[0], atol=2e-3)
    assert pts[-1] + 0.03 < duration < pts[-1] + 0.2
    np.testing.assert_allclose([line["t"] for line in lines(recorder.folder)], times - times[0], atol=1e-4)
    assert len(decoded(recorder.folder / "annotated.mkv")) == len(times)


@pytest.mark.parametrize("fps", [5, 10, 30, 60])
def test_the_last_picture_has_its_share_of_the_duration(tmp_path: Path, fps: int) -> None:
    with recording(tmp_path) as recorder:
        for i in range(12):
            feed(recorder, result(i, i / fps))
    assert packets(recorder.folder / "annotated.mkv")[1] == pytest.approx(12 / fps, abs=2e-3)


def test_the_last_picture_is_not_held_for_as_long_as_a_gap_before_it(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        for i, t in enumerate((0.0, 0.1, 20.0)):
            feed(recorder, result(i, t))
    assert packets(recorder.folder / "annotated.mkv")[1] < 20.6


def test_a_line_has_the_documented_schema_and_nothing_else(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        feed(recorder, result(12, 7.0, people=2))
        feed(recorder, result(13, 7.4003, people=0))
        feed(recorder, result(15, 7.5))
    first, second, third = lines(recorder.folder)
    assert list(first) == ["frame", "t", "size", "people"]
    assert first["size"] == [SOURCE.hw[1], SOURCE.hw[0]]
    assert (first["frame"], first["t"]) == (0, 0.0)
    assert [list(person) for person in first["people"]] == [["id", "score", "keypoints"]] * 2
    assert [person["id"] for person in first["people"]] == [1, 2]
    assert first["people"][0]["score"] == 0.75
    keypoints = np.array(first["people"][0]["keypoints"])
    assert keypoints.shape == (17, 3)
    np.testing.assert_allclose(keypoints[:, :2], SOURCE.truth(12 / 30), atol=0.0051)
    np.testing.assert_allclose(keypoints[:, 2], 0.8, atol=1e-4)
    assert second == {"frame": 1, "t": 0.4003, "size": first["size"], "people": []}
    assert third["frame"] == 3  # a gap: one frame of the source was dropped


def test_a_missing_joint_is_null() -> None:
    given = result(0, 0.0)
    given.poses.xy[0, 3] = np.nan
    person = json.loads(json.dumps(keypoints_of(given, 0, 0.0)))["people"][0]
    assert person["keypoints"][3] == [None, None, 0.8]
    assert None not in person["keypoints"][4]


def test_no_drawing_option_touches_the_data(tmp_path: Path) -> None:
    texts = set()
    pictures = []
    for i, draw in enumerate((DrawOptions(), DrawOptions(mirror=True), DrawOptions(threshold=1.0, labels=True))):
        with recording(tmp_path, RecordOptions(folder=tmp_path / str(i), clean_video=True, draw=draw)) as recorder:
            for j in range(3):
                feed(recorder, result(j, j / 30))
        texts.add((recorder.folder / "keypoints.jsonl").read_text())
        pictures.append(decoded(recorder.folder / "annotated.mkv")[0].astype(int))
        clean = decoded(recorder.folder / "clean.mkv")[0].astype(int)
        assert np.abs(clean - SOURCE.picture(0.0)).mean() < 3
    assert len(texts) == 1
    assert np.abs(pictures[0] - pictures[1][:, ::-1]).mean() < 3
    assert np.abs(pictures[0] - pictures[1]).mean() > 2


def test_the_clean_video_has_the_same_times(tmp_path: Path) -> None:
    with recording(tmp_path, RecordOptions(folder=tmp_path, clean_video=True)) as recorder:
        for i in range(5):
            feed(recorder, result(i, i * 0.1))
    assert packets(recorder.folder / "clean.mkv") == packets(recorder.folder / "annotated.mkv")


def test_odd_sizes_and_a_change_of_size_in_mid_recording(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        feed(recorder, result(0, 0.0, np.full((121, 161, 3), 90, np.uint8), people=0))
        feed(recorder, result(1, 0.1, np.full((480, 200, 3), 200, np.uint8), people=0))
        feed(recorder, result(2, 0.2, np.full((50, 60, 3), 60, np.uint8), people=0))
    first, tall, small = decoded(recorder.folder / "annotated.mkv")
    assert first.shape == tall.shape == small.shape == (122, 162, 3)
    assert abs(int(first[60, 80, 0]) - 90) < 6
    assert abs(int(tall[60, 80, 0]) - 200) < 6
    assert tall[60, 5].max() < 20  # a black border, not a stretched picture
    assert recorder.status().error == ""


def test_a_picture_of_an_odd_size_is_not_scaled(tmp_path: Path) -> None:
    """Its pixels stay where they are, so that joints lie on them; a row and a column are added at the end."""
    image = np.full((121, 161, 3), 40, np.uint8)
    image[100:110, 140:150] = 220
    with recording(tmp_path) as recorder:
        feed(recorder, result(0, 0.0, image, people=0))
    (picture,) = decoded(recorder.folder / "annotated.mkv")
    assert picture.shape == (122, 162, 3)
    bright = picture[..., 1] > 130
    assert np.flatnonzero(bright.any(axis=0)).tolist() == list(range(140, 150))
    assert np.flatnonzero(bright.any(axis=1)).tolist() == list(range(100, 110))


def test_the_manifest_tells_how_it_was_made(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        recorder.model_changed(model("one"))
        wait_until(lambda: manifest(recorder.folder)["models"])
        early = manifest(recorder.folder)
        recorder.source_opened(Mode(160, 120, 30.0))
        for n, index in enumerate((3, 5, 8, 10)):  # the first of the recording is not the source's, and some were passed over
            feed(recorder, result(index, n / 30))
        recorder.model_changed(model("top-down"))
        feed(recorder, result(12, 4 / 30))
    assert early["finished"] is False
    final = manifest(recorder.folder)
    assert final["schema"] == 3
    assert final["finished"] is True
    assert final["counts"]["written"] == 5
    assert final["counts"]["lost"] == 0
    assert final["error"] == ""
    assert final["seconds"] == pytest.approx(4 / 30, abs=1e-3)
    assert final["source"]["name"] == "s"
    assert final["source"]["actual"] == {"width": 160, "height": 120, "fps": 30.0, "codec": ""}
    frames = [json.loads(line)["frame"] for line in (recorder.folder / "keypoints.jsonl").read_text().splitlines()]
    assert frames == [0, 2, 5, 7, 9]
    assert [m["from_frame"] for m in final["models"]] == [0, 8]
    assert [m["mode"] for m in final["models"]] == ["one", "top-down"]
    assert final["models"][0]["model"]["name"] == "fake"
    assert final["models"][0]["model"]["weights_sha256"] == "0" * 64
    assert final["models"][0]["backend"] == asdict(BACKEND)
    assert final["models"][0]["skeleton"]["keypoints"] == list(COCO_17.keypoints)
    assert {"python", "av", "numpy", "onnxruntime"} <= set(final["versions"])
    assert {f.name for f in recorder.folder.iterdir()} == {"annotated.mkv", "keypoints.jsonl", "session.json"}


def test_the_status_counts_frames_time_bytes_and_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "MEASURE_S", 0.0)
    done: list[bool] = []
    with recording(tmp_path, free_bytes=lambda _: RESERVE_BYTES + 10**7, finished=lambda r: done.append(r.active)) as recorder:
        for i in range(61):
            feed(recorder, result(i, i / 30))
        wait_until(lambda: recorder.status().frames == 61)
        wait_until(lambda: recorder.status().bytes > 1000)
        status = recorder.status()
        assert status.active
        assert status.seconds == pytest.approx(2.0, abs=1e-3)
        assert status.disk_left_s == pytest.approx(10**7 / (status.bytes / 2.0), rel=0.2)
    assert done == [False]
    final = recorder.status()
    assert not final.active
    assert final.bytes == sum(f.stat().st_size for f in recorder.folder.iterdir())
    assert final.summary.startswith("61 captured, 61 analysed, 61 written, 0 lost by the recorder; 2.0 s, ")


def test_a_recording_of_nothing_is_whole_too(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        pass
    assert manifest(recorder.folder)["counts"]["captured"] == 0
    assert lines(recorder.folder) == []
    assert recorder.status().error == ""


def test_two_recordings_of_one_second_get_two_folders(tmp_path: Path) -> None:
    with recording(tmp_path) as a, recording(tmp_path) as b, recording(tmp_path) as c:
        assert len({a.folder, b.folder, c.folder}) == 3


# -- hand-over -------------------------------------------------------------------------------------------------------


def test_live_a_full_queue_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "LONGEST_WAIT_S", 60.0)
    gate, waits = threading.Event(), threading.Event()

    def slow_disk(folder: Path) -> int:
        if threading.current_thread().name == "poseapp-recorder":
            waits.set()
            assert gate.wait(20)
        return 10**12

    recorder = Recorder(RecordOptions(folder=tmp_path), NOWHERE, Stats(), free_bytes=slow_disk)
    try:
        feed(recorder, result(0, 0.0))
        wait_until(lambda: recorder.status().frames == 1)
        assert waits.wait(20)
        begun = time.monotonic()
        for i in range(1, 50):
            feed(recorder, result(i, i / 10))
        assert time.monotonic() - begun < 5.0
        assert recorder.status().counts.lost == 49 - lane_module.QUEUE_FRAMES
    finally:
        gate.set()
        recorder.close()
        assert recorder.join(20)
    assert [line["frame"] for line in lines(recorder.folder)] == list(range(1 + lane_module.QUEUE_FRAMES))
    assert manifest(recorder.folder)["counts"]["lost"] == 49 - lane_module.QUEUE_FRAMES


def test_offline_nothing_is_dropped(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        for i in range(60):
            feed(recorder, result(i, i / 30))
    assert [line["frame"] for line in lines(recorder.folder)] == list(range(60))
    assert recorder.status().counts.lost == 0


def test_what_was_given_before_close_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "LONGEST_WAIT_S", 60.0)
    for _ in range(10):
        recorder = Recorder(RecordOptions(folder=tmp_path), NOWHERE, Stats())
        for i in range(5):
            feed(recorder, result(i, i / 30))
        recorder.close()
        feed(recorder, result(9, 1.0))  # too late
        assert recorder.join(20)
        assert len(lines(recorder.folder)) == 5


# -- faults ----------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordError) as error:
        Recorder(RecordOptions(folder=tmp_path / "file" / "below"), NOWHERE, Stats())
    assert str(error.value) == (
        f"{tmp_path / 'file' / 'below'}: cannot be written (Not a directory). Choose another folder for recordings."
    )
    with pytest.raises(RecordError, match="cannot be written"):
        save_snapshot(result(0, 0.0), tmp_path / "file" / "below", DrawOptions())


def test_a_disk_that_is_nearly_full_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"the disk is nearly full \(5 MB left\)\. Make room"):
        Recorder(RecordOptions(folder=tmp_path), NOWHERE, Stats(), free_bytes=lambda _: 5_000_000)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_becomes_nearly_full_ends_the_recording_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "MEASURE_S", 0.0)
    free = [10**12]
    with recording(tmp_path, free_bytes=lambda _: free[0]) as recorder:
        for i in range(20):
            feed(recorder, result(i, i / 30))
        wait_until(lambda: recorder.status().frames == 20)
        free[0] = RESERVE_BYTES - 1
        feed(recorder, result(20, 20 / 30))
        assert recorder.join(20)
        feed(recorder, result(21, 21 / 30))  # a giver that has not noticed does not wait for ever
    assert recorder.status().error == "The recording stopped: the disk is nearly full (67 MB left)."
    assert not recorder.status().active
    assert manifest(recorder.folder)["error"] == recorder.status().error
    assert len(decoded(recorder.folder / "annotated.mkv")) == len(lines(recorder.folder)) == 21


def test_the_folder_vanishes_in_mid_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(record_module, "MEASURE_S", 0.0)
    done = threading.Event()
    with recording(tmp_path, finished=lambda _: done.set()) as recorder:
        feed(recorder, result(0, 0.0))
        wait_until(lambda: recorder.status().frames == 1)
        shutil.rmtree(recorder.folder)
        feed(recorder, result(1, 0.1))
        assert done.wait(20)
    assert recorder.status().error == "The recording stopped: No such file or directory."
    assert not recorder.status().active


def test_a_file_that_goes_while_the_size_is_asked_for_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "MEASURE_S", 0.0)
    with recording(tmp_path) as recorder:
        (recorder.folder / "gone").symlink_to(tmp_path / "nowhere")  # it is in the list, and has no size
        for i in range(5):
            feed(recorder, result(i, i / 30))
    assert recorder.status().error == ""
    assert recorder.status().bytes > 0
    assert len(lines(recorder.folder)) == 5


def run_python(code: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    here = Path(__file__).resolve()
    path = os.pathsep.join(map(str, (here.parent, here.parents[1], here.parents[2])))
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


NOISE_UNTIL_IT_STOPS = """
    import sys
    from pathlib import Path
    import numpy as np
    from test_recorder import NOWHERE, feed, result
    from poseapp.live.recording import Recorder, RecordOptions, save_snapshot
    from poseapp.live.stats import Stats
    recorder = Recorder(
        RecordOptions(folder=Path(sys.argv[1]), clean_video=True), NOWHERE, Stats(), lossless=True, free_bytes=lambda _: 1 << 40
    )
    rng = np.random.default_rng(0)
    for i in range(400):
        feed(recorder, result(i, i / 30, rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)))
        if not recorder.status().active:
            break
    recorder.close()
    assert recorder.join(60)
    print(recorder.status().error)
"""


def check_what_is_left_of_a_full_disk(folder: Path, said: str) -> None:
    assert said.strip() == "The recording stopped: the disk is full; make room, or record to another folder."
    (made,) = folder.iterdir()
    written = lines(made)
    assert len(written) >= 5
    for name in ("annotated.mkv", "clean.mkv"):
        # A player opens it and shows nearly all that was written.
        assert len(decoded(made / name)) >= len(written) - 16, name


def test_a_full_disk_ends_the_recording_cleanly(tmp_path: Path) -> None:
    """The kernel refuses to write more than a megabyte into a file."""
    limit = 1_000_000
    process = run_python(
        NOISE_UNTIL_IT_STOPS, tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    check_what_is_left_of_a_full_disk(tmp_path, out)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
def test_a_really_full_disk_ends_the_recording_cleanly(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        process = run_python(NOISE_UNTIL_IT_STOPS, disk)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        check_what_is_left_of_a_full_disk(disk, out)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_line_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    code = """
        import io, sys
        from poseapp.live.recording.keypoints import append_line
        file = io.FileIO(sys.argv[1], "w")
        written = 0
        try:
            while True:
                append_line(file, "x" * 99)
                written += 1
        except OSError as error:
            print(written, error.errno)
    """
    process = run_python(code, tmp_path / "lines", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1050, 1050)))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.split()[0] == "10"
    assert (tmp_path / "lines").read_text() == ("x" * 99 + "\n") * 10


def test_a_killed_process_leaves_a_recording_that_plays(tmp_path: Path) -> None:
    code = """
        import sys, time
        from pathlib import Path
        from fakes import Loader, MarkerSource
        from poseapp.live.recording import RecordOptions
        from poseapp.live.session import Session
        from poseapp.live.status import ModelRequest
        session = Session(MarkerSource((240, 320), fps=60), ModelRequest(Path("fake")), load=Loader())
        session.start()
        session.start_recording(RecordOptions(folder=Path(sys.argv[1])))
        while True:
            time.sleep(0.02)
            print(session.status().recording.seconds, flush=True)
    """
    process = run_python(code, tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        for text in process.stdout:
            if float(text) > 2.3:
                break
        else:
            pytest.fail(process.stderr.read())
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    (folder,) = tmp_path.iterdir()
    written = lines(folder)  # each of them whole
    assert written[-1]["t"] > 2.29
    pts, _ = packets(folder / "annotated.mkv")
    assert pts[-1] > written[-1]["t"] - 0.55
    assert len(decoded(folder / "annotated.mkv")) == len(pts)
    np.testing.assert_allclose(pts, [line["t"] for line in written][: len(pts)], atol=2e-3)
    assert manifest(folder)["finished"] is False
    assert manifest(folder)["models"][0]["model"]["name"] == "fake"


def test_an_unexpected_failure_is_told_and_the_rest_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., None] = VideoWriter.write

    def write(self: VideoWriter, image: ImageArray, t: float) -> None:
        if t > 0.45:
            raise ZeroDivisionError("oops")
        real(self, image, t)

    monkeypatch.setattr(VideoWriter, "write", write)
    with recording(tmp_path) as recorder:
        for i in range(30):
            feed(recorder, result(i, i / 10))
    assert recorder.status().error == "The recording stopped: ZeroDivisionError: oops."
    assert len(decoded(recorder.folder / "annotated.mkv")) == 5
    assert manifest(recorder.folder)["error"] == recorder.status().error


def test_the_queue_is_short() -> None:
    """A 4K picture is 25 MB: the queue must not be where memory goes."""
    assert lane_module.QUEUE_FRAMES <= 16
    assert issubclass(queue.Full, Exception)


# -- snapshot --------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_two_pictures_and_the_joints(tmp_path: Path) -> None:
    import cv2

    given = result(5, 3.0)
    path = save_snapshot(given, tmp_path / "new", DrawOptions())
    clean = cv2.imread(str(path.with_name(path.stem + "_clean.png")))
    np.testing.assert_array_equal(clean, given.frame.image)
    drawn = cv2.imread(str(path))
    assert drawn is not None
    assert (drawn != given.frame.image).any()
    line = json.loads(path.with_suffix(".json").read_text())
    assert line["frame"] == 5
    assert len(line["people"][0]["keypoints"]) == 17


@pytest.mark.parametrize("draw", [DrawOptions(blur_faces=True), DrawOptions(background="black")])
def test_a_snapshot_that_hides_people_has_no_clean_picture(tmp_path: Path, draw: DrawOptions) -> None:
    save_snapshot(result(0, 0.0), tmp_path, draw)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".png"]
    assert not list(tmp_path.glob("*_clean.png"))


def test_frames_that_were_never_worked_on_are_told_apart_from_damaged_ones(tmp_path: Path) -> None:
    with recording(tmp_path, first_index=10) as recorder:
        recorder.unreadable(2, ["10.png: damaged.", "11.png: damaged."])
        for index in range(12, 19):
            one = result(index, index / 30)
            recorder.capture(one.frame)
            if index in (12, 13, 17, 18):
                recorder.put(one)
    assert [line["frame"] for line in lines(recorder.folder)] == [2, 3, 7, 8]
    final = manifest(recorder.folder)
    assert final["counts"] == {
        "captured": 7,
        "analysed": 4,
        "not_analysed": 3,
        "written": 4,
        "lost": 0,
        "clean_written": 0,
        "clean_lost": 0,
        "unreadable": 2,
    }
    assert final["skipped"] == ["10.png: damaged.", "11.png: damaged."]
    assert recorder.status().counts.not_analysed == 3
    assert "2 unreadable" in recorder.status().summary
