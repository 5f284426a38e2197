"""The train command: one line trains, shows where it is, stops when asked, and leaves something to look at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import Small, draw_set, tiny_recipe
from typer.testing import CliRunner

from poseapp.bench.gradients import draw_gradients, gradient_by_depth
from poseapp.cli.main import app
from poseapp.core.errors import DataError, PoseAppError
from poseapp.train import checkpoint
from poseapp.train.monitor import curves, read_rows
from poseapp.train.recipes import RECIPES
from poseapp.train.tasks.person import PersonScore


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a recipe that takes seconds."""
    recipe = tiny_recipe(net=Small, batch=2, epochs=3)
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    return recipe.name


def test_one_line_trains_and_another_goes_on(small: str, tmp_path: Path) -> None:
    draw_set(tmp_path / "set")
    (tmp_path / "set" / "person_keypoints_val.json").write_text((tmp_path / "set" / "person_keypoints_train.json").read_text())
    run = tmp_path / "run"
    line = ["train", small, "--data", str(tmp_path / "set"), "--out", str(run), "--workers", "0", "--set", "lr=1e-3"]
    first = CliRunner().invoke(app, [*line, "--max-minutes", "0.00001"])
    assert first.exit_code == 0, first.output
    assert "Stopped at step 1 of 12; saved. Go on with --resume." in first.output
    second = CliRunner().invoke(app, [*line, "--resume"])
    assert second.exit_code == 0, second.output
    assert "8 people to train on, 8 to validate on" in second.output
    assert "mean_oks" in second.output
    assert "Done. Export it with: poseapp export" in second.output
    rows = read_rows(run / "progress.csv")
    assert [row["step"] for row in rows if np.isfinite(row["mean_oks"])] == [4, 8, 12]
    picture = cv2.imread(str(run / "curves.png"))
    assert picture is not None
    assert {"last.pt", "best.pt", "curves.png", "progress.csv"} <= {p.name for p in run.iterdir()}
    assert sum(p.stat().st_size for p in run.glob("events.out.tfevents.*")) > 10_000  # scalars and pictures
    assert checkpoint.read(run / "last.pt").overrides == {"lr": "1e-3"}


@pytest.mark.parametrize("wrong", [["--set", "batch=4096"], ["--start-from", "missing.pt"], ["--resume"]])
def test_a_training_that_cannot_begin_leaves_no_folder(small: str, wrong: list[str], tmp_path: Path) -> None:
    draw_set(tmp_path / "set")
    line = ["train", small, "--data", str(tmp_path / "set"), "--out", str(tmp_path / "runs" / "new"), "--workers", "0"]
    result = CliRunner().invoke(app, [*line, *wrong])
    assert isinstance(result.exception, PoseAppError)
    assert not (tmp_path / "runs").exists()


def test_an_export_of_nothing_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"no checkpoint")
    result = CliRunner().invoke(
        app, ["export", str(tmp_path / "weights.pt"), "--name", "mine", "--engines-dir", str(tmp_path / "e")]
    )
    assert isinstance(result.exception, PoseAppError)
    assert not (tmp_path / "e").exists()


def test_mixed_sets_and_shards_on_the_command_line(small: str, tmp_path: Path) -> None:
    draw_set(tmp_path / "a", 4)
    draw_set(tmp_path / "b", 6, 1, names=("nose", "left_eye", "right_eye", "left_ear", "right_ear"))
    both = ["--data", str(tmp_path / "a"), "--data", str(tmp_path / "b")]
    done = CliRunner().invoke(app, ["train", small, *both, "--out", str(tmp_path / "run"), "--workers", "0"])
    assert done.exit_code == 0, done.output
    assert "10 people to train on, 0 to validate on" in done.output


def test_a_val_part_that_cannot_be_read_is_an_error_and_not_a_training_without_one(small: str, tmp_path: Path) -> None:
    draw_set(tmp_path / "set")
    (tmp_path / "set" / "person_keypoints_val.json").write_text("{")
    done = CliRunner().invoke(app, ["train", small, "--data", str(tmp_path / "set"), "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, DataError)
    assert "person_keypoints_val.json: not valid JSON" in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_the_check_says_what_is_wrong_and_refuses(tmp_path: Path) -> None:
    draw_set(tmp_path)
    (tmp_path / "images" / "3.png").unlink()
    done = CliRunner().invoke(app, ["train", "--check", "--data", str(tmp_path)])
    assert isinstance(done.exception, DataError)
    assert "3.png" in done.output
    assert "refuses" in done.output


def test_recipes_are_listed() -> None:
    done = CliRunner().invoke(app, ["train", "--list"])
    for name in ("hourglass-2", "hourglass-8", "hrnet-w32-256x192", "hrnet-w48-384x288", "cpm-6", "openpose-6"):
        assert name in done.output
    listed = zip(done.output.splitlines(), RECIPES.values(), strict=True)
    assert len({line.index(recipe.skeleton.name) for line, recipe in listed}) == 1, "the columns are not below each other"


def test_a_recipe_left_out_is_asked_for() -> None:
    done = CliRunner().invoke(app, ["train"])
    assert isinstance(done.exception, DataError)
    assert str(done.exception).startswith("training: no recipe. Give the name of one. There are: hourglass-s, ")


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is POSIX's")
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_sigterm_to_the_program_saves_and_ends_well(tmp_path: Path) -> None:
    draw_set(tmp_path / "set", 16)
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import torch; torch.set_num_threads(1)\n"
        "from drawn import Small, tiny_recipe; from poseapp.cli.main import app; from poseapp.train.recipes import RECIPES\n"
        "RECIPES['small'] = tiny_recipe(net=Small, name='small', batch=2, epochs=100000)\n"
        "app(sys.argv[1:])\n"
    )
    run = tmp_path / "run"
    line = ["train", "small", "--data", str(tmp_path / "set"), "--out", str(run), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), *line], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / "progress.csv").exists() or len(read_rows(run / "progress.csv")) < 2:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGTERM)  # as a terminal or timeout does: loading processes get it, too
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "saved. Go on with --resume." in errors
    assert "Traceback" not in errors
    step = checkpoint.read(run / "last.pt").step
    assert step >= 100
    assert f"Stopped at step {step:,} of" in errors.replace("\n", " ")


def test_pictures_for_the_board() -> None:
    crops = np.zeros((2, 64, 48, 3), np.uint8)
    keypoints = np.concatenate([np.full((2, 17, 2), 20.0), np.ones((2, 17, 1))], axis=2).astype(np.float32)
    maps = np.zeros((2, 17, 16, 12), np.float32)
    maps[1, 3, 8, 6] = 1
    result = PersonScore(0.5, 0.5, crops, keypoints, maps)
    pictures = result.pictures()
    assert pictures["predictions"][18:23, 18:23].max() > 100
    hot = pictures["heatmaps"]
    assert hot.shape == (64, 96, 3)
    assert not np.array_equal(hot[:, :48], hot[:, 48:])
    rows = [{"step": s, "loss": 1 / s, "lr": 1e-3, "images_per_s": 9.0, "mean_oks": 0.1, "pck": float("nan")} for s in (1, 2, 3)]
    assert (curves(rows) != 255).any()


def test_a_loss_after_every_stage_feeds_the_first_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figure 5 of Wei et al.: without supervision on the way, hardly any gradient reaches the input."""
    recipe = tiny_recipe("cpm")
    everywhere = gradient_by_depth(recipe, "everywhere", steps=2, batch=2)
    final = gradient_by_depth(recipe, "final", steps=2, batch=2)
    assert [g.layer for g in everywhere] == [g.layer for g in final]
    assert everywhere[0].layer == "stage1.0"
    assert everywhere[0].rms > 2 * final[0].rms
    assert draw_gradients(everywhere, final).shape == (420, 960, 3)
