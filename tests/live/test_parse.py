"""What people type for a source: each text is opened, or refused in one clear line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from clips import grey_clip

from poseapp.core.errors import SourceError
from poseapp.live.sources import (
    CameraSource,
    FolderSource,
    PictureSource,
    StreamSource,
    SyntheticSource,
    VideoSource,
    parse_source,
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", [0.0, 0.1, 0.2])


@pytest.mark.parametrize(
    "name",
    [
        "12:30:05.mp4",
        "rtsp:clip.mp4",
        "-clip.mp4",
        "take %d.mp4",
        "%03d.mp4",
        "100%.mp4",
        "a b#c?d&e.mp4",
        "*.mp4",
        "[1].mp4",
        "x|y.mp4",
        "pipe:0.mp4",
        " clip .mp4",
        "quo'te\".mp4",
        "人 é ١.mp4",
        "line\nbreak.mp4",
        "a" * 251 + ".mp4",
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows allows few of these names")
def test_a_file_of_any_name_is_opened(name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, name)
    for text in (name, str(tmp_path / name)):
        source = parse_source(text)
        assert isinstance(source, VideoSource)
        assert "\n" not in source.name
        source.open()
        assert len(list(iter(source.read, None))) == 3
        source.close()


def test_a_name_that_is_no_text_is_opened_too(clip: Path, tmp_path: Path) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/\xff\xe9.mp4")
    try:
        shutil.copy(clip, name)
    except (OSError, UnicodeError):
        pytest.skip("the file system takes text only")
    source = parse_source(name)
    source.open()
    assert len(list(iter(source.read, None))) == 3
    source.close()
    source.name.encode()


@pytest.mark.parametrize("prefix", ["file://", "FILE://", "file://localhost"])
def test_file_addresses_are_paths(prefix: str, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "a b#ü%20.mp4"
    shutil.copy(clip, path)
    source = parse_source(prefix + path.as_uri().removeprefix("file://"))
    assert isinstance(source, VideoSource)
    assert source.path == path
    assert isinstance(parse_source(tmp_path.as_uri()), FolderSource)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://host/live",
        "rtsps://h/x",
        "rtmps://h/x",
        "rtp://h:1",
        "srt://h:1",
        "tcp://h:1",
        "udp://@:5000",
        "http://h/%41?b=c#d",
    ],
)
def test_addresses_are_streams_in_any_case(url: str) -> None:
    scheme, rest = url.split("://")
    for text in (url, f"{scheme.upper()}://{rest}", f"  {url}\t"):
        source = parse_source(text)
        assert isinstance(source, StreamSource)
        assert source.url == url


@pytest.mark.parametrize("text", ["camera", "CAMERA", "Camera:0", " camera:0 ", "0", "/dev/video0"])
def test_cameras_in_any_spelling(text: str) -> None:
    camera = parse_source(text)
    assert isinstance(camera, CameraSource)
    assert camera.index == 0


def test_a_picture_is_known_by_its_name_in_any_case(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.HEIC", "c.avif", "d.jfif"):
        (tmp_path / name).touch()
        assert isinstance(parse_source(str(tmp_path / name)), PictureSource)
    assert isinstance(parse_source("Synthetic"), SyntheticSource)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gopher://host/x", "gopher://: is not supported. Give an address that begins with one of rtsp://"),
        ("DATA://x", "data://: is not supported."),
        ("concat://a|b", "concat://: is not supported."),
        ("http://host/\nx", "http://host/: expected an address, got control characters in it."),
        ("file:///no/such%20file.mp4", "file:///no/such%20file.mp4: no such file"),
        ("file://server/share/x.mp4", "no such file"),
        (r"Q:\clips\a.mp4", r"Q:\clips\a.mp4: no such file"),
        ("Q:/clips/a.mp4", "Q:/clips/a.mp4: no such file"),
        ("camera:x", "camera:x: expected the number of a camera, as in camera:0."),
        ("camera:-1", "expected the number of a camera"),
        ("camera:99999", "expected the number of a camera"),
        ("concat:a.mp4|b.mp4", "no such file"),
        ("pipe:0", "no such file"),
        ("-", "-: no such file"),
        ("two\nlines", "two?lines: no such file"),
        ("nul\0", "nul?: "),
        ("~nobody-of-this-name/a.mp4", "~nobody-of-this-name/a.mp4: cannot be looked up"),
        ("x" * 100_000, "xxx"),
        ("/" + "y/" * 5000, "/y/"),
        ("   ", "source: no such file"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(SourceError) as error:
        parse_source(text)
    message = str(error.value)
    assert said in message
    assert message.isprintable()
    assert len(message) < 600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match="expected a file or a folder, got a device or a pipe"):
        parse_source(str(tmp_path / "pipe.mp4"))


def test_a_protocol_that_ffmpeg_was_built_without_is_named() -> None:
    with pytest.raises(SourceError) as error:
        parse_source("sftp://127.0.0.1:9/x.mp4").open()
    assert "sftp://" in str(error.value)
    assert "no such file" not in str(error.value)
