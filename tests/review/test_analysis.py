"""Every frame is analysed: of a live recording that skipped some, of a clip, and on after a stop; nothing live is lost."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from clips import decoded
from fakes import Loader, MarkerEngine
from recordings import SOURCE, make_recording
from saved import stills

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.skeleton import COCO_17
from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import Poses
from poseapp.live.recording import RecordOptions, read_keypoints, read_manifest
from poseapp.live.status import ModelRequest
from poseapp.review.analysis import Analysis, AnalysisProgress, copy_clip, unfinished_analysis, unfinished_copy
from poseapp.review.analysis.analysis import AGAIN
from poseapp.review.analysis.files import LINES
from poseapp.review.analysis.identities import Identities
from poseapp.review.analysis.placing import place_pictures
from poseapp.review.listing import read_preview
from poseapp.review.player import RecordingPlayer
from poseapp.review.saved_recording import SavedRecording

FRAMES = 90
RULE = SmoothRule()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds with a clean video, of which the model saw every third frame live."""
    folder = make_recording(tmp_path_factory.mktemp("recordings"), FRAMES)
    path = folder / "keypoints.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::3]))
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


class OfVideos(Loader):
    """Its engines see no more of the dark parts of a video than of those of a picture."""

    def __call__(self, folder: Path, device: str, *, precision: str = "auto", progress: Any = None) -> MarkerEngine:
        engine = super().__call__(folder, device, precision=precision, progress=progress)
        infer = engine.infer
        engine.infer = lambda crops, heatmaps=False: infer(np.where(crops < 60, 0, crops), heatmaps)  # type: ignore[method-assign]
        return engine


def analysis(folder: Path, load: Loader | None = None, model: str = "accurate", **more: Any) -> Analysis:
    request = ModelRequest(Path(model), more.pop("device", "cpu"))
    return Analysis(folder, request, RULE, load=load or OfVideos(), open_detector=lambda _store: None)


def stopped_at(number: int, stop: threading.Event) -> Callable[[AnalysisProgress], None]:
    def tell(progress: AnalysisProgress) -> None:
        if progress.done >= number and not progress.text:
            stop.set()

    return tell


def test_every_frame_of_a_recording_gets_its_joints(folder: Path, repo_root: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    live = read_manifest(folder)
    told: list[AnalysisProgress] = []
    loader = OfVideos()
    assert analysis(folder, loader).run(threading.Event(), told.append)
    (part,) = SavedRecording.read(folder).parts
    assert part.frames.tolist() == list(range(FRAMES))
    np.testing.assert_allclose(part.times, np.arange(FRAMES) / 30, atol=2e-3)
    np.testing.assert_array_equal(part.times[::3], [round(i / 30, 6) for i in range(0, FRAMES, 3)])  # as exact as live
    assert list(part.people) == [1]
    np.testing.assert_allclose(part.people[1].xy, [SOURCE.truth(i / 30) for i in range(FRAMES)], atol=3)
    assert not np.isnan(part.people[1].smoothed).any()
    counted = [progress.done for progress in told if not progress.text]
    assert counted == sorted(counted)
    assert counted[-1] == FRAMES
    assert told[-1] == AnalysisProgress(FRAMES, FRAMES, 0.0)
    assert all(engine.closed and len(engine.threads) == 1 for engine in loader.engines)
    # The live joints and the videos are as they were.
    assert {name: (folder / name).read_bytes() for name in before if name != "session.json"} == {
        name: content for name, content in before.items() if name != "session.json"
    }
    manifest = read_manifest(folder)
    schema = json.loads((repo_root / "docs" / "session.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(manifest)
    assert manifest["models"][0]["model"]["name"] == "accurate"
    assert manifest["counts"]["analysed"] == FRAMES
    assert manifest["counts"]["not_analysed"] == 0
    assert manifest["analysis"]["live"] == {key: live[key] for key in ("models", "segments", "counts")}
    assert {path.name for path in folder.iterdir()} == {*before, "keypoints-all.jsonl"}
    assert read_preview(folder, (90, 160)).person_count == 1


def test_the_player_shows_the_new_joints(folder: Path) -> None:
    analysis(folder).run(threading.Event())
    player = RecordingPlayer(folder)
    for number in (1, 2, 80):
        result = player.result(number)
        assert not result.predicted
        assert result.model == "accurate"
    player.close()


def test_after_a_stop_it_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "whole")
    analysis(tmp_path / "whole").run(threading.Event())
    live = list(read_keypoints(folder))
    stop = threading.Event()
    assert not analysis(folder).run(stop, stopped_at(75, stop))
    left = unfinished_analysis(folder)
    assert left is not None
    assert (75 <= left.done < FRAMES, left.total) == (True, FRAMES)
    assert list(read_keypoints(folder)) == live, "a stop changes nothing"
    with (folder / LINES).open("ab") as file:
        file.write(b'{"frame":84,"t":')  # a killed process
    first = (folder / LINES).read_bytes()
    loader, told = OfVideos(), list[AnalysisProgress]()
    assert analysis(folder, loader).run(threading.Event(), told.append)
    assert unfinished_analysis(folder) is None
    assert min(progress.done for progress in told if not progress.text) >= left.done
    assert loader.engines[0].frames <= FRAMES - left.done + AGAIN + 5  # what was done is not done again
    assert (folder / "keypoints-all.jsonl").read_bytes().startswith(first[: first.rindex(b"\n") + 1])
    (part,), (whole,) = SavedRecording.read(folder).parts, SavedRecording.read(tmp_path / "whole").parts
    assert part.frames.tolist() == whole.frames.tolist()
    assert list(part.people) == list(whole.people) == [1]
    np.testing.assert_allclose(part.people[1].xy, whole.people[1].xy, atol=0.5)
    np.testing.assert_allclose(part.people[1].smoothed, whole.people[1].smoothed, atol=0.5)


def test_another_model_begins_anew_and_takes_the_place_of_the_first_one_s_result(folder: Path) -> None:
    stop = threading.Event()
    analysis(folder).run(stop, stopped_at(50, stop))
    live = read_manifest(folder)["segments"]
    loader = OfVideos()
    loader_spec = replace(MarkerEngine().spec, name="other", weights_sha256="1" * 64)
    other = lambda *_a, **_k: MarkerEngine(loader_spec)  # noqa: E731
    Analysis(folder, ModelRequest(Path("other")), RULE, load=other, open_detector=lambda _s: None).run(threading.Event())
    assert SavedRecording.read(folder).frame_count == FRAMES
    assert analysis(folder, loader).run(threading.Event())
    manifest = read_manifest(folder)
    assert manifest["models"][0]["model"]["name"] == "accurate"
    assert manifest["analysis"]["live"]["segments"] == live
    assert sorted(path.name for path in folder.glob("keypoints*")) == ["keypoints-all-2.jsonl", "keypoints.jsonl"]
    assert analysis(folder, loader).run(threading.Event()), "it is done already"
    assert loader.engines[-1].frames == 0


def test_a_device_that_fails_gives_way_to_the_cpu(folder: Path) -> None:
    loader = OfVideos()
    loader.fails_after["gpu"] = 40
    one = analysis(folder, loader, device="gpu")
    assert one.run(threading.Event())
    assert len(loader.engines) == 2
    assert "device is gone" in one.notes[0]
    assert SavedRecording.read(folder).frame_count == FRAMES


def test_who_was_held_live_is_held_again(folder: Path) -> None:
    path = folder / "keypoints.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines[10:30]:
        line["locked"] = 1
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    analysis(folder).run(threading.Event())
    (part,) = SavedRecording.read(folder).parts
    locked = np.flatnonzero(part.locked)
    assert locked.min() == 31  # the frame after the one in which the user was seen to hold the person
    assert 87 <= locked.max() <= 89
    assert set(part.locked[locked]) == {1}


def test_what_cannot_be_analysed_is_said_in_one_line_and_nothing_changes(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    loader = OfVideos()
    loader.errors["accurate"] = PoseAppError("accurate: is broken. Choose another.")
    with pytest.raises(PoseAppError, match="is broken"):
        analysis(folder, loader).run(threading.Event())
    (folder / LINES).mkdir()
    with pytest.raises(RecordError, match=r"cannot be written \(.*goes on from there"):
        analysis(folder).run(threading.Event())
    (folder / LINES).rmdir()
    (folder / "analysis.part.json").unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "clean.mkv").unlink()
    with pytest.raises(RecordError, match=r"expected clean\.mkv, whose pictures are analysed; found none"):
        analysis(folder).run(threading.Event())
    with pytest.raises(RecordError):
        analysis(tmp_path / "nothing").run(threading.Event())
    with pytest.raises(RecordError, match="pictures that stand alone, and each is analysed already"):
        analysis(stills(tmp_path / "stills")).run(threading.Event())


def test_two_at_once_are_refused(folder: Path) -> None:
    refused: list[str] = []

    def tell(progress: AnalysisProgress) -> None:
        if progress.done == 5:
            with pytest.raises(RecordError, match="is being analysed already") as error:
                analysis(folder).run(threading.Event())
            refused.append(str(error.value))

    assert analysis(folder).run(threading.Event(), tell)
    assert len(refused) == 1


def test_a_clip_becomes_a_recording_that_is_analysed(original: Path, tmp_path: Path) -> None:
    clip = original / "clean.mkv"
    told: list[AnalysisProgress] = []
    made = copy_clip(clip, RecordOptions(folder=tmp_path, name="Squats"), threading.Event(), told.append)
    assert made is not None
    assert made.name.endswith(" Squats")
    assert told[-1].done == FRAMES
    assert len(decoded(made / "clean.mkv")) == FRAMES
    assert unfinished_copy(clip, tmp_path) is None
    stop = threading.Event()
    assert not analysis(made).run(stop, stopped_at(30, stop))
    assert unfinished_copy(clip, tmp_path) == made, "the next run finds it"
    assert unfinished_copy(tmp_path / "other.mkv", tmp_path) is None
    assert analysis(made).run(threading.Event())
    recording = SavedRecording.read(made)
    assert recording.remarks == ()
    assert recording.parts[0].frames.tolist() == list(range(FRAMES))
    assert recording.manifest["source"]["path"] == str(clip)
    assert recording.manifest["counts"]["captured"] == recording.manifest["counts"]["analysed"] == FRAMES


def test_nothing_is_left_of_a_copy_that_is_stopped_or_fails(original: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def tell(progress: AnalysisProgress) -> None:
        if progress.done == 10:
            stop.set()

    assert copy_clip(original / "clean.mkv", RecordOptions(folder=tmp_path / "out"), stop, tell) is None
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(PoseAppError):
        copy_clip(tmp_path / "text.mp4", RecordOptions(folder=tmp_path / "out2"), threading.Event())
    assert not (tmp_path / "out2").exists()


def test_pictures_that_were_lost_leave_a_gap_in_the_numbers(folder: Path) -> None:
    recording = SavedRecording.read(folder)  # frames 0, 3, 6, …
    times = np.array([i / 30 for i in range(FRAMES)])
    whole = place_pictures(times, recording)
    assert whole.numbers.tolist() == list(range(FRAMES))
    for gone in ([1], [1, 2], [3], [3, 4, 5, 6, 7], [FRAMES - 1], [70, 74]):
        kept = np.delete(np.arange(FRAMES), gone)
        assert place_pictures(times[kept], recording).numbers.tolist() == kept.tolist(), gone
    jitter = times + np.random.default_rng(1).uniform(-0.002, 0.002, FRAMES)
    numbers = place_pictures(np.sort(jitter), recording).numbers
    assert numbers.tolist() == list(range(FRAMES))
    nothing = SavedRecording(folder=folder, manifest={}, parts=())
    assert place_pictures(times, nothing).numbers.tolist() == list(range(FRAMES))


def _line(people: dict[int, float]) -> dict[str, Any]:
    joints = SOURCE.truth(0.0)
    return {"people": [{"id": n, "keypoints": [[float(a + x), float(b), 0.9] for a, b in joints]} for n, x in people.items()]}


def _poses(people: dict[int, float]) -> Poses:
    joints = SOURCE.truth(0.0)
    return Poses(
        xy=np.array([joints + np.array([x, 0]) for x in people.values()], np.float32).reshape(-1, 17, 2),
        score=np.full((len(people), 17), 0.9, np.float32),
        person_score=np.ones(len(people), np.float32),
        ids=np.array(list(people), np.int64),
        skeleton=COCO_17,
    )


def test_people_keep_their_numbers_over_a_stop() -> None:
    before = [_line({4: 0.0, 7: 300.0}), _line({4: 5.0, 7: 290.0, 9: 600.0})]
    identities = Identities(before)
    identities.learn(_poses({1: 301.0, 2: -1.0}), before[0])
    identities.learn(_poses({1: 289.0, 2: 5.5, 3: 900.0}), before[1])
    assert [identities.of(n) for n in (1, 2)] == [7, 4]
    assert identities.of(3) == 10, "somebody new gets a number that nobody had"
    assert identities.of(8) == 11
    assert identities.of(3) == 10


@pytest.mark.parametrize(
    ("remaining_s", "text"),
    [(None, ""), (0.2, "about 1 s left"), (59.4, "about 59 s left"), (119, "about 2 min left"), (9000, "about 2.5 h left")],
)
def test_the_time_left_in_words(remaining_s: float | None, text: str) -> None:
    assert AnalysisProgress(1, 10, remaining_s).remaining_text == text
