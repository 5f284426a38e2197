"""What ends a training from outside ends with one clear line, and nothing is lost; several processes train as one."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import Small, draw_set, tiny_recipe

from poseapp.cli.main import main
from poseapp.core.skeleton import COCO_17
from poseapp.train import checkpoint
from poseapp.train.data.annotations import read_coco
from poseapp.train.monitor import read_rows
from poseapp.train.recipes import RECIPES
from poseapp.train.strip_checkpoint import strip
from poseapp.train.tasks.person import validate

ROOT = Path(__file__).parents[2]
Line = Callable[..., str]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a recipe that takes seconds."""
    recipe = tiny_recipe(net=Small, batch=2, epochs=3)
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    return recipe.name


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Line:
    """A function that runs a command line which must fail, and gives the one line that says why."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert main(list(arguments)) == 1
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        (line,) = [line for line in errors.splitlines() if line.startswith("poseapp: ")]
        return line

    return run


def training(recipe: str, folder: Path, *more: str) -> list[str]:
    return ["train", recipe, "--data", str(folder / "set"), "--out", str(folder / "run"), "--workers", "0", *more]


def test_bad_data(small: str, tmp_path: Path, fails: Line) -> None:
    draw_set(tmp_path / "set")
    annotations = tmp_path / "set" / "person_keypoints_train.json"
    good = annotations.read_text()
    broken = json.loads(good)
    broken["annotations"][3]["keypoints"].pop()
    for content, expected in (
        (good[:-20], "not valid JSON"),
        (json.dumps(broken), "annotation 4: expected 51 keypoint numbers, got 50"),
        ("{}", "not a COCO keypoint file"),
    ):
        annotations.write_text(content)
        assert expected in fails(*training(small, tmp_path))
        assert "training would refuse this" in fails("train", "--check", "--data", str(tmp_path / "set"))
    annotations.write_text(good)
    (tmp_path / "set" / "images" / "5.png").unlink()
    assert "5.png: picture not found" in fails(*training(small, tmp_path))
    assert "no such folder or file" in fails("train", small, "--data", str(tmp_path / "nothing"))
    assert not (tmp_path / "run").exists()


def test_wrong_options(small: str, tmp_path: Path, fails: Line) -> None:
    annotations = draw_set(tmp_path / "set")
    for change, expected in (
        ("batch=0", "batch: expected a number above 0, got 0"),
        ("epochs=inf", "epochs: expected a number above 0, got inf"),
        ("warmup_steps=-1", "warmup_steps: expected a number of at least 0, got -1"),
        ("batch=16", "expected at least 16 people (one step), got 8. Use a smaller batch: --set batch=8"),
    ):
        assert expected in fails(*training(small, tmp_path, "--set", change))
    assert "none.pt: not found. Give a run's folder" in fails(
        *training(small, tmp_path, "--start-from", str(tmp_path / "none.pt"))
    )
    annotations.rename(tmp_path / "set" / "mine.json")
    here = f"{tmp_path / 'set' / 'mine.json'}={tmp_path / 'set' / 'images'}"
    assert f"Give the annotation file and the pictures' folder: {here}" in fails(*training(small, tmp_path))
    (tmp_path / "file").write_text("")
    assert "device 'gpu': PyTorch cannot use it here" in fails(*training(small, tmp_path, "--device", "gpu"))
    shutil.move(tmp_path / "set" / "mine.json", annotations)
    assert "file: cannot be made (File exists)" in fails(*training(small, tmp_path, "--out", str(tmp_path / "file")))


def test_what_is_not_right_is_said_above_the_bar(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_set(tmp_path / "set")
    (tmp_path / "set" / "images" / "5.png").write_bytes(b"")
    (tmp_path / "set" / "images" / "6.png").write_bytes(b"")
    assert main(training(small, tmp_path)) == 0
    errors = " ".join(capsys.readouterr().err.split())
    assert errors.count("not a readable picture. Remove it or its annotations.") == 2
    assert "No val part, so nobody will know how good it is" in errors
    strip(tmp_path / "run" / "last.pt", tmp_path / "stripped" / "last.pt")
    assert main(["train", small, "--data", str(tmp_path / "set"), "--out", str(tmp_path / "stripped"), "--resume"]) == 1
    assert "averaged weights alone: a run cannot go on from it" in capsys.readouterr().err


def test_a_full_disk_when_a_checkpoint_is_written(small: str, tmp_path: Path, fails: Line) -> None:
    draw_set(tmp_path / "set")
    assert main(training(small, tmp_path, "--max-minutes", "0.00001")) == 0
    before = (tmp_path / "run" / "last.pt").read_bytes()
    (tmp_path / "run" / "last.pt.tmp").symlink_to("/dev/full")
    line = fails(*training(small, tmp_path, "--resume"))
    assert "last.pt: cannot be written" in line
    assert "Free some disk space; the last one is whole." in line
    assert (tmp_path / "run" / "last.pt").read_bytes() == before
    assert main(training(small, tmp_path, "--resume")) == 0
    assert checkpoint.read(tmp_path / "run" / "last.pt").step == 12


def test_a_wrong_resume(small: str, tmp_path: Path, fails: Line) -> None:
    draw_set(tmp_path / "set")
    assert "last.pt: not found. Start without --resume" in fails(*training(small, tmp_path, "--resume"))
    assert main(training(small, tmp_path, "--max-minutes", "0.00001")) == 0
    before = (tmp_path / "run" / "last.pt").read_bytes()
    assert "holds a run already. Go on with it (--resume)" in fails(*training(small, tmp_path))
    assert "expected a checkpoint of hourglass-s, got tiny-hourglass" in fails(
        *training("hourglass-s", tmp_path, "--resume", "--set", "batch=2")
    )
    assert "was trained with no --set" in fails(*training(small, tmp_path, "--resume", "--set", "lr=0.1"))
    draw_set(tmp_path / "set", people=10)
    assert "expected a run of 15 steps, got 12" in fails(*training(small, tmp_path, "--resume"))
    assert (tmp_path / "run" / "last.pt").read_bytes() == before
    (tmp_path / "run" / "last.pt").write_bytes(before[: len(before) // 2])
    draw_set(tmp_path / "set")
    assert "cannot be read as a checkpoint" in fails(*training(small, tmp_path, "--resume"))


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    draw_set(tmp_path / "set", 16)
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import torch; torch.set_num_threads(1)\n"
        "from drawn import Small, tiny_recipe; from poseapp.cli.main import main; from poseapp.train.recipes import RECIPES\n"
        "RECIPES['small'] = tiny_recipe(net=Small, name='small', batch=2, epochs=100000)\n"
        "sys.exit(main())\n"
    )
    line = [sys.executable, "-c", code, str(Path(__file__).parent), *training("small", tmp_path, "--save-every", "0")]
    last = tmp_path / "run" / "last.pt"
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not last.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)  # it goes on writing: the kill may come at any moment of it
    finally:
        process.kill()
        process.wait()
    killed_at = checkpoint.read(last).step
    assert killed_at >= 1
    done = subprocess.run(
        [*line, "--resume", "--max-minutes", "0.00001"], stderr=subprocess.PIPE, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert f"Stopped at step {killed_at + 1:,} of" in " ".join(done.stderr.split())


def test_sync_batchnorm_is_refused_on_a_cpu(small: str, tmp_path: Path, fails: Line) -> None:
    draw_set(tmp_path / "set")
    assert "sync_batchnorm needs GPUs, got cpu" in fails(*training(small, tmp_path, "--set", "sync_batchnorm=true"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_of_torchrun_train_and_go_on_as_one_run(tmp_path: Path) -> None:
    draw_set(tmp_path / "set")
    shutil.copy(tmp_path / "set" / "person_keypoints_train.json", tmp_path / "set" / "person_keypoints_val.json")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(ROOT / "main.py")]
    line = [*torchrun, *training("hourglass-s", tmp_path, "--set", "batch=2", "--set", "epochs=1", "--device", "cpu")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(*more: str) -> str:
        done = subprocess.run([*line, *more], capture_output=True, text=True, check=False, env=environment, timeout=280)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stderr.split())

    said = run("--max-minutes", "0.00001")
    assert said.count("Stopped at step 1 of 2; saved.") == 1  # one process speaks, and writes
    state = checkpoint.read(tmp_path / "run" / "last.pt")
    assert (state.step, state.steps, state.processes) == (1, 2, 2)
    assert "poseapp train hourglass-s --data" in state.command
    said = run("--resume")
    assert said.count("Done. Export it with") == 1
    assert checkpoint.read(tmp_path / "run" / "last.pt").step == 2
    (row,) = [row for row in read_rows(tmp_path / "run" / "progress.csv") if not math.isnan(row["mean_oks"])]
    # Each process has scored its share of the people; the sum is what one process finds.
    trained = checkpoint.read_network(tmp_path / "run" / "last.pt")
    recipe, net = trained.recipe, trained.net
    people = read_coco(tmp_path / "set" / "person_keypoints_val.json", tmp_path / "set" / "images", COCO_17, 1)
    alone = validate(net, recipe, people, torch.device("cpu"))
    assert [row["mean_oks"], row["pck"]] == pytest.approx([alone.mean_oks, alone.pck], abs=1e-5)
    assert np.isfinite(row["loss"])


def test_the_line_that_made_a_run_is_kept_in_it(small: str, tmp_path: Path) -> None:
    draw_set(tmp_path / "set")
    assert main(training(small, tmp_path, "--set", "lr=1e-3")) == 0
    command = checkpoint.read(tmp_path / "run" / "last.pt").command
    assert command == f"poseapp train {small} --data {tmp_path / 'set'} --set lr=1e-3 --out {tmp_path / 'run'}"
