"""Files of the model store are written whole, and nothing is told to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poseapp.core.errors import ModelError
from poseapp.core.files import atomic_write, writable
from poseapp.engine.model_folder import ModelFolder


def test_new_files_take_their_places_at_the_end_model_json_last(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("old")
    with ModelFolder(tmp_path).adding() as made:
        (made.path / "model.json").write_text("new")
        (made.path / "model.fp16.onnx").write_text("graph")
        assert (tmp_path / "model.json").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"model.json": "new", "model.fp16.onnx": "graph"}
    assert (tmp_path / "model.json").stat().st_mode & 0o044, "others can read it"


def test_model_json_never_speaks_of_files_that_are_not_there_yet(tmp_path: Path) -> None:
    """A move that fails half way: what model.json says is still what is there."""
    (tmp_path / "model.json").write_text("old")
    (tmp_path / "weights.pt").mkdir()  # in the way

    def fails() -> None:
        with ModelFolder(tmp_path).adding() as made:
            (made.path / "model.json").write_text("new")
            (made.path / "weights.pt").write_text("weights")

    with pytest.raises(ModelError, match=r"weights\.pt"):
        fails()
    assert (tmp_path / "model.json").read_text() == "old"


def test_a_failure_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("old")

    def fails() -> None:
        with ModelFolder(tmp_path).adding() as made:
            (made.path / "model.json").write_text("new")
            raise ModelError("too far")

    with pytest.raises(ModelError, match="too far"):
        fails()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_disk_that_takes_nothing_is_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    reason = rf"^{tmp_path}: nothing is changed \(.+: No space left on device\)\. Free some space, or mend the folder\.$"
    with pytest.raises(ModelError, match=reason), ModelFolder(tmp_path).adding():
        Path("/dev/full").write_text("x")
    assert not list(tmp_path.iterdir())
    with (
        pytest.raises(ModelError, match=r"nowhere: nothing is changed \(.*No such file"),
        ModelFolder(tmp_path / "nowhere").adding(),
    ):
        pass


def test_whether_a_folder_can_be_written_is_tried(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert writable(tmp_path)
    assert not writable(tmp_path / "new")
    assert writable(tmp_path / "new", make=True)
    assert not writable(tmp_path / "file" / "new", make=True)
    assert not list((tmp_path / "new").iterdir())


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    atomic_write(tmp_path / "one", b"content")
    assert (tmp_path / "one").read_bytes() == b"content"
    (tmp_path / "two").mkdir()
    with pytest.raises(OSError, match="two"):
        atomic_write(tmp_path / "two", b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_the_runtimes_tell_nobody_what_they_do(repo_root: Path, tmp_path: Path) -> None:
    """ONNX Runtime writes a number of the machine where it is to send something."""
    code = (
        "import sys; from pathlib import Path; from poseapp.engine.load import load_engine; "
        "load_engine(Path(sys.argv[1]), 'cpu', 1).close()"
    )
    # On build servers it keeps quiet by itself.
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")}
    environment = {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(repo_root)}
    model = repo_root / "engines" / "hourglass-s"
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.rglob("*"))
