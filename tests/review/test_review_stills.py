"""A recording of pictures that stand alone: paged through by its names, listed with a thumbnail, measured picture by picture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from saved import STILLS, lines, stills

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.review.listing import read_preview
from poseapp.review.measurements import as_json, measure_recording
from poseapp.review.player import RecordingPlayer
from poseapp.review.saved_recording import SavedRecording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return stills(tmp_path / "recordings")


def test_it_stands_still_and_pages_by_name(folder: Path) -> None:
    player = RecordingPlayer(folder)
    assert player.notes == []
    player.start()
    try:
        for number, (file, hw) in enumerate(STILLS.items()):
            player.playback.seek(number)
            result = player.take(10.0)
            while result is not None and result.frame.index != number:  # the first one is shown without being asked for
                result = player.take(10.0)
            assert result is not None
            state = player.playback.state()
            assert (state.name, state.number, state.count, state.playing) == (file, number, 3, False)
            assert (result.frame.file, result.frame.hw) == (file, hw)
            assert abs(int(np.median(result.frame.image)) - 40 * number) <= 2  # JPEG
            people = lines(folder)[number]["people"]
            assert result.poses.ids.tolist() == [person["id"] for person in people]
            expected = np.array(people[0]["keypoints"], float)[:, :2]
            np.testing.assert_allclose(result.poses.xy[0], expected, atol=0.01)
    finally:
        player.close()


def test_without_clean_pictures_the_drawn_ones_are_shown_and_it_says_so(folder: Path) -> None:
    shutil.rmtree(folder / "clean")
    player = RecordingPlayer(folder)
    assert player.is_drawn
    assert player.notes == ["No clean pictures were recorded: you see the skeletons that were drawn while recording."]
    assert player.result(1).frame.hw == STILLS["sub/b.png"]
    player.close()


def test_without_any_picture_it_says_what_is_missing(folder: Path) -> None:
    for name in ("clean", "annotated"):
        shutil.rmtree(folder / name)
    with pytest.raises(RecordError, match=r"clean.* and annotated.* are missing"):
        RecordingPlayer(folder)


def test_a_name_that_leads_elsewhere_is_not_opened(folder: Path) -> None:
    changed = lines(folder)
    changed[1]["file"] = "../../secret.png"
    (folder / "keypoints.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
    player = RecordingPlayer(folder)
    with pytest.raises(PoseAppError, match="expected a picture within the recording"):
        player.result(1)
    player.close()


def test_it_has_a_thumbnail_and_all_its_people(folder: Path) -> None:
    preview = read_preview(folder, (90, 160))
    assert preview.picture is not None
    assert preview.picture.shape == (90, 120, 3)
    assert preview.person_count == 4
    shutil.rmtree(folder / "annotated")
    shutil.rmtree(folder / "clean")
    assert read_preview(folder, (90, 160)).picture is None


def test_each_person_is_measured_in_their_picture(folder: Path) -> None:
    recording = SavedRecording.read(folder)
    assert recording.remarks == ()
    found = measure_recording(recording, 0.0)
    assert [(one.id, one.file, one.frames) for one in found] == [
        (1, "a 1.jpg", 1),
        (2, "a 1.jpg", 1),
        (3, "sub/b.png", 1),
        (4, "c.heic", 1),
    ]
    assert [person["file"] for person in as_json(found, recording, None)["people"]] == [one.file for one in found]
