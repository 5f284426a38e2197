"""A further file of a recording joins by one line in WRITERS."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Loader, MarkerSource

from poseapp.core.types import Result
from poseapp.live.recording import WRITERS, RecordingStart, RecordOptions
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest


class PeopleCounts:
    """Writes how many people each frame has."""

    def __init__(self, start: RecordingStart, path: Path) -> None:
        assert path.parent == start.folder
        self._file = path.open("w")

    def write(self, result: Result, number: int, t: float) -> None:
        self._file.write(f"{number},{t:.3f},{len(result.poses)}\n")

    def close(self) -> None:
        self._file.close()


@pytest.fixture(autouse=True)
def _one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WRITERS, "people.csv", PeopleCounts)


def test_its_file_is_in_the_recording(tmp_path: Path) -> None:
    session = Session(MarkerSource(seconds=0.5), ModelRequest(Path("a")), load=Loader(), realtime=False)
    folder = session.start_recording(RecordOptions(folder=tmp_path))
    session.start()
    assert session.wait(30)
    session.stop()
    rows = [row.split(",") for row in (folder / "people.csv").read_text().splitlines()]
    assert [int(number) for number, _, _ in rows] == list(range(15))
    assert [float(t) for _, t, _ in rows] == pytest.approx([n / 30 for n in range(15)], abs=1e-3)
    assert rows[-1][2] == "1"
    assert {"people.csv", "keypoints.jsonl", "annotated.mkv", "session.json"} == {file.name for file in folder.iterdir()}


def test_it_goes_with_a_recording_of_nothing(tmp_path: Path) -> None:
    session = Session(MarkerSource(), ModelRequest(Path("a")), load=Loader())
    session.start_recording(RecordOptions(folder=tmp_path / "new"))
    session.stop()
    assert [*tmp_path.iterdir()] == []
