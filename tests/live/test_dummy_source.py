"""A further kind of source joins by one line in SOURCES, and is then named on the command line like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_model
from fakes import Loader, MarkerSource, wait_until

from poseapp.cli.main import main
from poseapp.core.errors import SourceError
from poseapp.live.session import Session
from poseapp.live.sources import Mode, Source, parse_source
from poseapp.live.sources.parse import SOURCES
from poseapp.live.status import ModelRequest


class DummySource(MarkerSource):
    """A figure for so many seconds."""

    name = "dummy"


def make_dummy(seconds: str, requested: Mode) -> Source | None:
    del requested
    return DummySource(seconds=float(seconds)) if seconds.replace(".", "").isdigit() else None


@pytest.fixture(autouse=True)
def _one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "dummy", make_dummy)


def test_a_session_runs_with_it() -> None:
    source = parse_source("dummy:0.5")
    assert isinstance(source, DummySource)
    session = Session(source, ModelRequest(Path("a")), load=Loader(), realtime=False)
    session.start()
    try:
        assert session.wait(30)
        assert session.status().source == "dummy"
        wait_until(lambda: session.status().person_count == 1)
    finally:
        session.stop()
    assert session.failure == ""


def test_it_is_named_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    out = tmp_path / "out"
    assert main(["run", "dummy:0.4", "--headless", "--engines-dir", str(tmp_path / "store"), "-o", str(out)]) == 0
    assert "frames     12 captured, 12 analysed, 12 written" in capsys.readouterr().out
    (manifest,) = out.glob("*/session.json")
    assert json.loads(manifest.read_text())["source"]["name"] == "dummy"
    assert json.loads(manifest.read_text())["counts"]["written"] == 12


def test_a_rest_that_it_does_not_take_may_be_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="dummy:x: no such file"):
        parse_source("dummy:x")
