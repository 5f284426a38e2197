"""Pictures are found by the names that annotation tools give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from poseapp.train.data.image_names import PictureFolder, last_part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "day 1/b.jpg", "day 2/b.jpg", "day 2/Straße.PNG", "deep/er/c.jpg", "small/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", "a.jpg"),
        ("small/a.jpg", "small/a.jpg"),
        ("./small//a.jpg", "small/a.jpg"),
        ("day 2\\b.jpg", "day 2/b.jpg"),
        ("C:\\Users\\me\\set\\images\\day 1\\b.jpg", "day 1/b.jpg"),
        ("/home/somebody/set/day 2/b.jpg", "day 2/b.jpg"),
        ("../../elsewhere/c.jpg", "deep/er/c.jpg"),
        ("c.jpg", "deep/er/c.jpg"),
        ("images/a.jpg", "a.jpg"),
        ("file:///D:/set/day%201/b.jpg", "day 1/b.jpg"),
        ("https://host/bucket/day%202/b.jpg?token=x.y", "day 2/b.jpg"),
        ("s3://bucket/deep/er/c.jpg", "deep/er/c.jpg"),
        ("/data/local-files/?d=set/day%201/b.jpg", "day 1/b.jpg"),
        ("day 2/strasse.png", "day 2/Straße.PNG"),
        ("DEEP\\ER\\C.JPG", "deep/er/c.jpg"),
    ],
)
def test_names_of_other_machines(folder: Path, name: str, found: str) -> None:
    picture = PictureFolder(folder).find(name)
    assert picture.there
    assert picture.path == folder / found


def test_several_that_may_be_meant_are_told(folder: Path) -> None:
    picture = PictureFolder(folder).find("/x/b.jpg")
    assert not picture.there
    assert picture.instead == (folder / "day 1" / "b.jpg", folder / "day 2" / "b.jpg")


@pytest.mark.parametrize(
    "name", ["none.jpg", "", "..", "/", "\0", "a\0.jpg", "\x1b[2J", "x" * 5000, "\ud800", "%", "http://[", "?d="]
)
def test_a_name_of_no_picture_is_harmless(folder: Path, name: str) -> None:
    picture = PictureFolder(folder).find(name)
    assert not picture.there
    assert picture.path.parent == folder
    str(picture.path).encode()


def test_a_name_never_leads_out_of_the_folder(folder: Path) -> None:
    outside = folder / "secret.jpg"
    outside.touch()
    for name in (str(outside), "../secret.jpg", f"file://{outside}"):
        assert not PictureFolder(folder / "deep").find(name).there


def test_the_last_part_of_a_name() -> None:
    assert [last_part(name) for name in ("a/b.jpg", "a\\b.jpg", "http://h/a/b%20c.jpg")] == ["b.jpg", "b.jpg", "b c.jpg"]
