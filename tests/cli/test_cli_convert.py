"""The command models convert: which options go together, and its former names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import write_model

from poseapp.cli.main import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["convert", "tiny", "--precision", "int8"], "models convert: int8 finds its ranges on pictures. Give a folder of"),
        (["quantise", "tiny"], "models convert: int8 finds its ranges on pictures. Give a folder of"),
        (["convert", "tiny", "--precision", "fp16", "--images", "."], "models convert: fp16 needs no pictures. Leave out"),
        (["convert", "tiny", "--precision", "fp16", "--limit", "3"], "models convert: fp16 needs no pictures. Leave out"),
        (["convert", "tiny", "--precision", "bf16"], "expected one of fp16, int8, got 'bf16'"),
        (["quantise", "tiny", "--images", "no-such-folder"], "no-such-folder: no such folder. Give one of JPEG or PNG files"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    write_model(tmp_path / "tiny")
    assert main(["models", *options, "--engines-dir", str(tmp_path)]) != 0
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == ["model.json", "model.onnx"]


def test_the_former_names_are_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "--help"])
    listed = capsys.readouterr().out
    assert "convert" in listed
    assert "quantise" not in listed
    assert "halve" not in listed
