"""A camera's password reaches no file, no status, no line and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import Server, grey_clip
from fakes import Loader, wait_until

from poseapp.cli.main import main
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.sources import StreamSource, parse_source
from poseapp.live.status import ModelRequest


@pytest.mark.parametrize("extra", [[], ["--debug"]])
@pytest.mark.parametrize(
    "arguments",
    [
        ["rtsp://admin:hunter2@cam/live"],  # no command of that name
        ["run", "synthetic", "rtsp://admin:hunter2@cam/live"],  # one argument too many
        ["run", "admin:hunter2@cam/live", "--headless"],  # neither file nor address
        ["run", "192.168.1.10/user=admin&password=hunter2", "--headless"],
    ],
)
def test_no_line_of_the_command_line_has_it(
    arguments: list[str], extra: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, *extra]) != 0
    out, err = capsys.readouterr()
    assert "poseapp: " in err
    assert "hunter2" not in out + err
    assert [*tmp_path.iterdir()] == []


def test_a_recording_of_a_stream_has_it_nowhere(tmp_path: Path) -> None:
    server = Server(grey_clip(tmp_path / "served.mkv", [n / 30 for n in range(31)]).read_bytes())
    source = parse_source(server.url.replace("//", "//admin:hunter2@") + "?token=hunter2")
    assert isinstance(source, StreamSource)
    session = Session(source, ModelRequest(Path("a")), load=Loader())
    try:
        session.start_recording(RecordOptions(folder=tmp_path / "recordings"))
        session.start()
        wait_until(lambda: (recording := session.status().recording) is not None and recording.frames > 3)
        assert "hunter2" not in repr(session.status())
    finally:
        session.stop()
        server.close()
    files = [path for path in (tmp_path / "recordings").rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        assert b"hunter2" not in path.read_bytes()
        assert "hunter2" not in str(path)
    assert source.name in (files[0].parent / "session.json").read_text(encoding="utf-8")
