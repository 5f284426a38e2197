"""What is left of a recording whose process is killed, whose disk, folder or encoder fails, or that never had a picture."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from clips import decoded
from fakes import FlakyCamera, Loader, MarkerSource, wait_until
from kill_recordings import kill_many
from sessions import next_result, running
from test_recorder import NOWHERE, feed, lines, manifest, recording, result, run_python

from poseapp.core.errors import ModelError, RecordError
from poseapp.core.types import ImageArray
from poseapp.live.recording import Recorder, Recording, RecordOptions, save_snapshot
from poseapp.live.recording import lane as lane_module
from poseapp.live.recording.matroska import WholePictures, h264_cluster
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.session import Session
from poseapp.live.stats import Stats
from poseapp.render import DrawOptions

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


@pytest.mark.timeout(600)
def test_a_few_killed_recordings_can_be_read(tmp_path: Path) -> None:
    outcomes = list(kill_many(tmp_path, kills=3, busy_processes=2))
    assert len(outcomes) == 3
    for one in outcomes:  # how many seconds are lost depends on the machine: the test of fifty is for that
        assert one.lines - one.pictures <= 1  # what was encoded is on the disk


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_killed_recordings_lose_half_a_second_at_most(tmp_path: Path) -> None:
    outcomes = list(kill_many(tmp_path, kills=50, busy_processes=2))
    assert max(one.video_loss_s for one in outcomes) <= 0.5
    assert max(one.joints_loss_s for one in outcomes) <= 0.5


def test_every_picture_is_in_the_file_as_soon_as_it_is_encoded(tmp_path: Path) -> None:
    """No picture waits for the next one: at one picture a second that would be a second."""
    path = tmp_path / "video.mkv"
    writer = VideoWriter(path, (120, 160))
    rng = np.random.default_rng(0)
    assert not path.exists()  # before there is a picture there is no file that could not be opened
    for n in range(70):  # beyond a second key frame
        # Large and small pictures in turn: the cluster that is replaced is longer or shorter than the new one.
        noise = n % 3 == 0
        image = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8) if noise else np.full((120, 160, 3), 3 * n, np.uint8)
        writer.write(image, float(n // 5))  # of pictures of one time, too
        if n < 8 or n > 60:
            pictures = decoded(path)
            assert len(pictures) == n + 1
            if not noise:
                assert abs(float(pictures[-1].mean()) - 3 * n) < 12
    writer.close()
    assert len(decoded(path)) == 70


def test_a_cluster_that_was_longer_leaves_nothing_behind(tmp_path: Path) -> None:
    file = WholePictures(tmp_path / "file")
    file.write(b"header")
    file.commit(b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"header0123456789"
    file.write(b"ab")
    file.commit(b"c")
    assert (tmp_path / "file").read_bytes() == b"headerabc"
    file.seek(1)
    file.write(b"E")
    file.close()
    assert (tmp_path / "file").read_bytes() == b"hEaderab"


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_file_that_could_not_be_written_has_no_gap(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from poseapp.live.recording.matroska import WholePictures
        file = WholePictures(Path(sys.argv[1]))
        written = 0
        for n in range(20):
            try:
                file.write(b"x" * 99)
                file.commit()
                written += 1
            except OSError as error:
                print(written, error.errno)
        file.seek(0)
        file.write(b"y")
        file.close()
    """
    process = run_python(code, tmp_path / "file", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1050, 1050)))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.split() == ["10", str(errno.ENOSPC)]
    assert (tmp_path / "file").read_bytes() == b"x" * 990


def test_zeros_before_a_start_code_are_no_part_of_the_picture() -> None:
    unit, other = b"\x65\x01\x02", b"\x06\x05"
    packet = b"\x00\x00\x00\x01" + other + b"\x00\x00\x00\x00\x01" + unit
    stored = b"\x00\x00\x00\x02" + other + b"\x00\x00\x00\x03" + unit
    assert h264_cluster(packet, 5, is_keyframe=True).endswith(b"\x81\x00\x00\x80" + stored)


def test_live_a_frame_that_waited_too_long_is_dropped_not_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve frames that wait for an encoder of two a second would be six seconds that a kill loses."""
    real, written = VideoWriter.write, list[float]()
    gate = threading.Event()

    def slow(self: VideoWriter, image: ImageArray, t: float) -> None:
        written.append(t)
        assert gate.wait(20)
        real(self, image, t)

    monkeypatch.setattr(VideoWriter, "write", slow)
    recorder = Recorder(RecordOptions(folder=tmp_path), NOWHERE, Stats())
    try:
        feed(recorder, result(0, 0.0))
        wait_until(lambda: written == [0.0])
        for n in (1, 2, 3):
            feed(recorder, result(n, n / 10))
        time.sleep(2 * lane_module.LONGEST_WAIT_S)
        gate.set()
        wait_until(lambda: recorder.status().counts.lost == 3)
        feed(recorder, result(4, 4.0))
        wait_until(lambda: recorder.status().frames == 2)
    finally:
        gate.set()
        recorder.close()
        assert recorder.join(20)
    assert [line["frame"] for line in lines(recorder.folder)] == [0, 4]
    assert manifest(recorder.folder)["counts"]["lost"] == 3


@posix
def test_recordings_are_the_owners_alone(tmp_path: Path) -> None:
    with recording(tmp_path / "new", RecordOptions(folder=tmp_path / "new", clean_video=True)) as recorder:
        feed(recorder, result(0, 0.0))
    for folder in (tmp_path / "new", recorder.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in recorder.folder.iterdir()}
    assert modes == dict.fromkeys(("annotated.mkv", "clean.mkv", "keypoints.jsonl", "session.json"), 0o600)
    saved = save_snapshot(result(0, 0.0), tmp_path / "snapshots", DrawOptions())
    assert {stat.S_IMODE(file.stat().st_mode) for file in saved.parent.iterdir()} == {0o600}


def _failing_encoder(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    real = VideoWriter.write

    def write(self: VideoWriter, image: ImageArray, t: float) -> None:
        if after == 0 or t > after / 30:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(self, image, t)

    monkeypatch.setattr(VideoWriter, "write", write)


def _goes_on(session: Session) -> None:
    """The session still gives results."""
    last = next_result(session).frame.index
    wait_until(lambda: next_result(session).frame.index > last + 3)


def test_an_encoder_that_fails_ends_the_recording_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _failing_encoder(monkeypatch, after=9)
    with running(MarkerSource((120, 160)), record=tmp_path) as session:
        wait_until(lambda: not _recorded(session).active)
        assert _recorded(session).error == "The recording stopped: Input/output error."
        _goes_on(session)
    folder = _recorded(session).folder
    assert len(decoded(folder / "annotated.mkv")) >= 5
    assert manifest(folder)["error"] == "The recording stopped: Input/output error."


def test_a_folder_that_is_removed_ends_the_recording_alone(tmp_path: Path) -> None:
    with running(MarkerSource((120, 160)), record=tmp_path) as session:
        wait_until(lambda: _recorded(session).frames > 3)
        shutil.rmtree(_recorded(session).folder)
        wait_until(lambda: not _recorded(session).active)
        assert _recorded(session).error.startswith("The recording stopped: ")
        assert "\n" not in _recorded(session).error
        _goes_on(session)


def _recorded(session: Session) -> Recording:
    status = session.status().recording
    assert status is not None
    return status


# -- recordings of nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there_already", [False, True])
def test_a_source_that_never_gives_a_picture_leaves_no_folder(tmp_path: Path, there_already: bool) -> None:
    place = tmp_path / "recordings"
    if there_already:
        place.mkdir()
    with running(FlakyCamera([None] * 100), record=place) as session:
        wait_until(lambda: session.status().state == "reconnecting")
    assert _recorded(session).frames == 0
    assert [*tmp_path.iterdir()] == ([place] if there_already else [])
    assert not there_already or not [*place.iterdir()]


def test_an_encoder_that_never_starts_leaves_no_folder_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _failing_encoder(monkeypatch, after=0)
    with running(MarkerSource((120, 160)), record=tmp_path) as session:
        wait_until(lambda: not _recorded(session).active)
        assert _recorded(session).error == "The recording stopped: Input/output error."
    assert [*tmp_path.iterdir()] == []


def test_a_model_that_cannot_be_loaded_leaves_no_folder(tmp_path: Path) -> None:
    load = Loader()
    load.errors["a"] = ModelError("a: broken.")
    with running(MarkerSource((120, 160)), load, record=tmp_path / "new") as session:
        wait_until(lambda: session.status().state == "failed")
        wait_until(lambda: not _recorded(session).active)
    assert [*tmp_path.iterdir()] == []


def test_what_somebody_else_put_into_the_folder_stays(tmp_path: Path) -> None:
    recorder = Recorder(RecordOptions(folder=tmp_path / "new"), NOWHERE, Stats())
    (recorder.folder / "notes.txt").write_text("mine")
    recorder.close(keep_empty=False)
    assert recorder.join(20)
    assert [file.name for file in recorder.folder.iterdir()] == ["notes.txt"]


def test_a_disk_without_room_gets_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nearly full"):
        Recorder(RecordOptions(folder=tmp_path / "a" / "b"), NOWHERE, Stats(), free_bytes=lambda _: 0)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(RecordError, match="cannot be written"):
        Recorder(RecordOptions(folder=tmp_path / "closed" / "below"), NOWHERE, Stats())
