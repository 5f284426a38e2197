"""Recordings with sound: in sync, losses counted, and never disturbed by what a microphone does."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import av
import pytest
from fakes import MarkerSource
from test_recorder import NOWHERE, feed, manifest, result

from poseapp.bench.sound import LIMIT_MS, is_in_sync, measure_sync, picture, read_sound, read_sync
from poseapp.core.errors import SoundError
from poseapp.core.types import Frame
from poseapp.live.recording import Recorder, Recording, RecordOptions, StartStop
from poseapp.live.recording import sound_track as sound_module
from poseapp.live.recording.sound_mux import add_sound
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.sound import Microphone, SoundBlock, SoundMode, SyntheticMicrophone, parse_microphone
from poseapp.live.sound.base import Deliver
from poseapp.live.sound.microphones import DeviceMicrophone
from poseapp.live.sound.synthetic import onsets
from poseapp.live.stats import Stats


def record(
    folder: Path, microphone: Microphone, seconds: float = 1.0, lossless: bool = False, **more: Any
) -> tuple[Recorder, Recording]:
    """A finished recording of so long, live, with both videos."""
    options = RecordOptions(folder=folder, clean_video=True, microphone=microphone, **more)
    recorder = Recorder(options, NOWHERE, Stats(), lossless=lossless)
    began = time.monotonic()
    for index in range(round(seconds * 20)):
        feed(recorder, result(index, time.monotonic()))
        time.sleep(max(0.0, began + (index + 1) / 20 - time.monotonic()))
    recorder.close()
    assert recorder.join(30)
    return recorder, recorder.status()


def has_sound(video: Path) -> bool:
    with av.open(str(video)) as container:
        return bool(container.streams.audio)


def pictures_of(video: Path) -> tuple[list[int], float, float]:
    """The times of its pictures, ms; its rate and how long it says that it is, s."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        times = [
            round(float(packet.pts * packet.time_base) * 1000) for packet in container.demux(stream) if packet.pts is not None
        ]
        return times, float(stream.guessed_rate or 0), (container.duration or 0) / 1e6


# -- in sync -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "microphone",
    [
        SyntheticMicrophone(drift_ppm=300.0, jitter_s=0.01),
        SyntheticMicrophone(rate=16_000, block_s=0.1, drift_ppm=-300.0),
    ],
    ids=["fast", "slow, in long blocks"],
)
def test_sound_and_pictures_of_both_videos_are_within_40_ms(tmp_path: Path, microphone: SyntheticMicrophone) -> None:
    reports, sound, folder = measure_sync(tmp_path, 4.0, microphone)
    assert [report.video for report in reports] == ["clean.mkv", "annotated.mkv"]
    assert all(report.tones >= 6 for report in reports)
    assert is_in_sync(reports), reports
    assert (sound.error, sound.file) == ("", "")
    assert sound.lost_s < 0.25  # until the microphone was open
    assert not (folder / "sound.mka").exists()


def test_the_measurement_sees_sound_that_is_late(tmp_path: Path) -> None:
    """A measurement that is always content measures nothing."""

    class Late(SyntheticMicrophone):
        def block(self, opened_t: float, number: int) -> SoundBlock | None:
            block = super().block(opened_t, number)
            return block and SoundBlock(block.samples, block.t + 0.1)

    reports, _, _ = measure_sync(tmp_path, 3.0, Late())
    assert not is_in_sync(reports)
    assert all(report.median_ms == pytest.approx(100, abs=LIMIT_MS / 2) for report in reports)


# -- what is written -----------------------------------------------------------------------------------------------


def test_session_json_describes_the_sound(tmp_path: Path) -> None:
    recorder, status = record(tmp_path, SyntheticMicrophone())
    sound = manifest(recorder.folder)["sound"]
    assert sound["microphone"] == "Synthetic microphone"
    assert (sound["rate"], sound["codec"], sound["file"], sound["error"]) == (48_000, "flac", "", "")
    assert sound["seconds"] == pytest.approx(1.0, abs=0.5)
    samples, rate, _ = read_sound(recorder.folder / "clean.mkv")
    assert len(samples) / rate == pytest.approx(sound["seconds"], abs=0.25)
    assert status.sound is not None
    assert "s of Synthetic microphone" in status.sound.sentence()


def test_what_was_lost_is_silence_and_is_counted(tmp_path: Path) -> None:
    recorder, status = record(tmp_path, SyntheticMicrophone(gap_s=(0.5, 1.0)), seconds=2.0)
    assert status.sound is not None
    assert 0.45 < status.sound.lost_s < 0.8
    assert status.sound.seconds == pytest.approx(2.0, abs=0.5)
    assert has_sound(recorder.folder / "annotated.mkv")


def test_pictures_stay_as_they_were(tmp_path: Path) -> None:
    video = tmp_path / "v.mkv"
    writer = VideoWriter(video, (48, 64), 30)
    for index in range(40):
        writer.write(MarkerSource((48, 64)).picture(index / 30), index * 0.04 + (0.2 if index > 20 else 0))
    writer.close()
    before, packets = pictures_of(video), contents(video)
    track = sound_module.SoundTrack(SyntheticMicrophone(), tmp_path)
    begin = time.monotonic() + 0.1
    track.begin(begin)
    track.end(begin + 0.5)
    assert track.join()
    add_sound(video, tmp_path / "sound.mka")
    assert has_sound(video)
    assert contents(video) == packets
    times, rate, duration = pictures_of(video)
    assert times == before[0]
    assert rate == pytest.approx(before[1], rel=0.02)
    assert duration == pytest.approx(before[2], abs=0.1)
    assert video.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sound.mka", "v.mkv"]


def contents(video: Path) -> list[bytes]:
    with av.open(str(video)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_the_countdown_is_not_heard(tmp_path: Path) -> None:
    options = RecordOptions(folder=tmp_path, microphone=SyntheticMicrophone(), start_stop=StartStop(countdown_s=1.0))
    recorder = Recorder(options, NOWHERE, Stats())
    began = time.monotonic()
    index = 0
    while time.monotonic() < began + 2.0:
        feed(recorder, result(index, time.monotonic()))
        index += 1
        time.sleep(0.05)
    recorder.close()
    assert recorder.join(30)
    sound = recorder.status().sound
    assert sound is not None
    assert sound.seconds == pytest.approx(recorder.status().seconds, abs=0.3)
    assert sound.lost_s == 0, "the microphone was open long before"


# -- never disturbed -----------------------------------------------------------------------------------------------


class Hanging(SyntheticMicrophone):
    """Hangs in ``open``, as drivers do."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def open(self, deliver: Deliver) -> SoundMode:
        self.let_go.wait(60)
        raise SoundError("it was let go")


class Broken(SyntheticMicrophone):
    def open(self, deliver: Deliver) -> SoundMode:
        raise RuntimeError("driver")


@pytest.mark.parametrize(
    ("microphone", "said"),
    [
        (SyntheticMicrophone(error="Microphone: is busy. Close the other program that uses it."), "Microphone: is busy. Close"),
        (Broken(), "the sound stopped (driver). The recording goes on without it."),
    ],
    ids=["busy", "broken"],
)
def test_a_microphone_that_cannot_be_used_is_one_line_and_the_recording_goes_on(
    tmp_path: Path, microphone: Microphone, said: str
) -> None:
    recorder, status = record(tmp_path, microphone)
    assert status.sound is not None
    assert said in status.sound.error
    assert "\n" not in status.sound.error
    whole(recorder, status)
    assert not has_sound(recorder.folder / "clean.mkv")
    assert manifest(recorder.folder)["sound"]["error"] == status.sound.error


def test_a_microphone_that_hangs_costs_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_module, "LET_GO_S", 0.1)
    microphone = Hanging()
    recorder, status = record(tmp_path, microphone)
    assert status.sound is not None
    assert "does not answer" in status.sound.error
    whole(recorder, status)
    microphone.let_go.set()
    recorder._sound.drop()


def test_a_microphone_that_falls_silent_is_reported_while_the_recording_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound_module, "SILENT_S", 0.3)
    recorder, status = record(tmp_path, SyntheticMicrophone(lasts_s=0.5), seconds=1.5)
    assert status.sound is not None
    assert status.sound.error == "Synthetic microphone: gives no sound. Check its plug; the recording goes on without it."
    assert 0.7 < status.sound.lost_s < 1.6
    whole(recorder, status)
    assert has_sound(recorder.folder / "clean.mkv")


def test_a_microphone_that_is_heard_again_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_module, "SILENT_S", 0.2)
    _, status = record(tmp_path, SyntheticMicrophone(gap_s=(0.4, 1.2)), seconds=2.0)
    assert status.sound is not None
    assert status.sound.error == ""
    assert status.sound.lost_s > 0.7


def whole(recorder: Recorder, status: Recording) -> None:
    assert status.error == ""
    counts = status.counts
    assert counts.captured == counts.written == counts.clean_written >= 20
    assert status.counts.all_lost == 0
    assert len(pictures_of(recorder.folder / "clean.mkv")[0]) == status.counts.captured


def test_sound_that_does_not_fit_on_the_disk_stays_in_its_file(tmp_path: Path) -> None:
    room = [10**12]
    options = RecordOptions(folder=tmp_path, clean_video=True, microphone=SyntheticMicrophone())
    recorder = Recorder(options, NOWHERE, Stats(), free_bytes=lambda _folder: room[0])
    for index in range(10):
        feed(recorder, result(index, time.monotonic()))
        time.sleep(0.05)
    room[0] = 1000
    recorder.close()
    assert recorder.join(30)
    sound = recorder.status().sound
    assert sound is not None
    assert sound.error == "The sound could not be put into the videos (the disk is nearly full). It is in sound.mka."
    assert read_sound(recorder.folder / "sound.mka")[1] == 48_000
    assert json.loads((recorder.folder / "session.json").read_text())["sound"]["file"] == "sound.mka"
    assert not has_sound(recorder.folder / "clean.mkv")


def test_a_killed_process_leaves_the_sound_up_to_the_last_half_second(tmp_path: Path) -> None:
    program = """
        import os, sys, time
        from pathlib import Path
        from poseapp.live.recording.sound_track import SoundTrack
        from poseapp.live.sound import SyntheticMicrophone
        track = SoundTrack(SyntheticMicrophone(), Path(sys.argv[1]))
        track.begin(time.monotonic())
        while track.status().seconds < 2:
            time.sleep(0.01)
        os._exit(9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], timeout=60, check=False)
    assert done.returncode == 9
    samples, rate, _ = read_sound(tmp_path / "sound.mka")
    assert len(samples) / rate >= 1.5
    assert len(onsets(samples, rate)) >= 3


def test_what_is_read_as_fast_as_possible_has_no_sound(tmp_path: Path) -> None:
    recorder, status = record(tmp_path, SyntheticMicrophone(), seconds=0.2, lossless=True)
    assert status.sound is None
    assert manifest(recorder.folder)["sound"] is None


def test_a_recording_of_nothing_leaves_nothing(tmp_path: Path) -> None:
    recorder = Recorder(RecordOptions(folder=tmp_path, microphone=SyntheticMicrophone()), NOWHERE, Stats())
    recorder.close(keep_empty=False)
    assert recorder.join(30)
    assert list(tmp_path.iterdir()) == []


# -- names ---------------------------------------------------------------------------------------------------------


def test_texts_name_microphones() -> None:
    assert isinstance(parse_microphone("synthetic"), SyntheticMicrophone)
    for text, name in (("default", "Microphone"), ("", "Microphone"), ("  USB ", "USB")):
        one = parse_microphone(text)
        assert isinstance(one, DeviceMicrophone)
        assert one.name == name


def test_a_microphone_that_is_not_there_is_one_line() -> None:
    """With the package or without it, with a sound card or without one."""
    one = parse_microphone("no such microphone")
    with pytest.raises(SoundError) as caught:
        one.open(lambda _block: None)
    one.close()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(("no such microphone: there is no such microphone. Plug it in", "Microphone: "))


def test_a_picture_says_the_time(tmp_path: Path) -> None:
    """What the measurement reads is what the camera showed."""
    video = tmp_path / "v.mkv"
    writer = VideoWriter(video, (360, 640), 30)
    for index in range(30):
        writer.write(Frame(picture(index / 30), index, 0.0).image, index / 30)
    writer.close()
    assert read_sync(video).tones == 0
