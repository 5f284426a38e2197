"""The loop resumes exactly, adds up over batches and processes, stops cleanly, and loses nothing when something breaks."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import Small, draw_set, tiny_recipe
from torch import distributed
from torch._inductor import config as inductor
from torch.multiprocessing.spawn import spawn

from poseapp.cli.train_progress import stop_signals
from poseapp.core.errors import CheckpointError, DataError
from poseapp.core.skeleton import COCO_17
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.deploy import Normalise
from poseapp.train import checkpoint
from poseapp.train.data.annotations import Person, read_coco
from poseapp.train.data.augment import Augment
from poseapp.train.data.order import Loading
from poseapp.train.distil import NetworkTeacher
from poseapp.train.loop import Options, Progress, train
from poseapp.train.optimiser import make_optimiser
from poseapp.train.recipes import RECIPES, Phase, override
from poseapp.train.schedule import learning_rate, phases, supervised
from poseapp.train.step import earlier_parameters
from poseapp.train.tasks import task_of
from poseapp.train.tasks.person import validate

HERE = Options(workers=0)


def small_recipe(**changes: Any) -> Any:
    return tiny_recipe(**{"net": Small, "batch": 2, "epochs": 3, **changes})


def run(
    recipe: Any, people: list[Person], folder: Path, steps: int | None = None, validation: Sequence[Person] = (), **more: Any
) -> list[Progress]:
    training = train(recipe, people, folder, dataclasses.replace(HERE, **more), validation)
    done = list(itertools.islice(training, steps))
    training.close()
    return done


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = checkpoint.read(folder / "last.pt")
    return {f"{part}.{name}": value for part in ("net", "ema") for name, value in getattr(state, part).items()}


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "rmsprop"])
def test_a_resumed_run_has_the_numbers_of_an_uninterrupted_one(optimiser: str, figures: list[Person], tmp_path: Path) -> None:
    # Random variation, growing pictures and a break in mid-epoch: nothing may depend on where it happens.
    recipe = small_recipe(optimiser=optimiser, augment=Augment(), phases=(Phase((32, 32), 0.5), Phase((64, 64), 0.5)))
    whole = run(recipe, figures, tmp_path / "whole", validation=figures)
    begun = run(recipe, figures, tmp_path / "parts", steps=5, validation=figures)
    ended = run(recipe, figures, tmp_path / "parts", resume=True, validation=figures)
    assert len(whole) == 12
    assert [p.loss for p in begun + ended] == [p.loss for p in whole]
    assert [p.input_hw for p in whole] == [(32, 32)] * 6 + [(64, 64)] * 6
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert checkpoint.read(tmp_path / "whole" / "best.pt").best == checkpoint.read(tmp_path / "parts" / "best.pt").best


def test_a_training_is_these_few_lines(figures: list[Person], tmp_path: Path) -> None:
    recipe = small_recipe(augment=Augment(), warmup_steps=0, clip_norm=0.5)
    losses = [p.loss for p in run(recipe, figures, tmp_path)]
    torch.manual_seed(recipe.seed)
    net = recipe.net()
    optimiser = make_optimiser(recipe, net)
    task = task_of(recipe)
    expected = []
    for step, ((crops, target, weight),) in enumerate(task.steps(figures, recipe.input_hw, Loading(range(12), 4))):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step, 12)
        loss = task.loss(net(Normalise()(crops)), target, weight, task.total(target, weight))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
        optimiser.step()
        expected.append(float(loss.detach()))
    assert losses == pytest.approx(expected, rel=1e-4)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler, and there is none")
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch's compiler uses it
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_compiled_network_trains_as_the_plain_one_to_rounding(figures: list[Person], tmp_path: Path) -> None:
    recipe = small_recipe(epochs=1)
    plain = run(recipe, figures, tmp_path / "plain")
    with inductor.patch(compile_threads=1):  # no processes of the compiler's own, which would stay
        compiled = list(train(recipe, figures, tmp_path / "compiled", dataclasses.replace(HERE, compiled=True)))
    assert [p.loss for p in compiled] == pytest.approx([p.loss for p in plain], rel=1e-4)
    one, other = weights(tmp_path / "plain"), weights(tmp_path / "compiled")
    assert one.keys() == other.keys()  # either run can go on from the other's checkpoint
    assert all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)


def test_a_trunk_grows_and_is_finished_by_another_schedule(figures: list[Person], tmp_path: Path) -> None:
    trunk = small_recipe(schedule="constant", epochs=1000)
    first = run(trunk, figures, tmp_path / "trunk", steps=3)
    more = run(trunk, figures, tmp_path / "trunk", steps=5, resume=True)
    assert [p.step for p in first + more] == list(range(1, 9))
    assert first[-1].lr < more[-1].lr == trunk.lr
    end = run(small_recipe(epochs=1), figures, tmp_path / "end", start_from=tmp_path / "trunk" / "last.pt")
    assert end[0].loss < 0.9 * first[0].loss


def test_loading_processes_change_nothing(figures: list[Person], tmp_path: Path) -> None:
    recipe = small_recipe(augment=Augment(), epochs=1)
    alone = run(recipe, figures, tmp_path / "alone")
    with_worker = list(train(recipe, figures, tmp_path / "worker", Options(workers=2)))
    assert [p.loss for p in alone] == [p.loss for p in with_worker]


def test_accumulated_batches_are_one_big_batch(figures: list[Person], tmp_path: Path) -> None:
    # Uneven labels: a mean of means would differ.
    figures[0].joints[3:, 2] = 0
    big = run(small_recipe(batch=4), figures, tmp_path / "big")
    cut = run(small_recipe(batch=1, accumulate=4), figures, tmp_path / "cut")
    assert [p.loss for p in cut] == pytest.approx([p.loss for p in big], rel=1e-5)
    one, other = weights(tmp_path / "big"), weights(tmp_path / "cut")
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def _process(rank: int, port: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    people = read_coco(Path(folder) / "person_keypoints_train.json", Path(folder) / "images", COCO_17)
    people[0].joints[3:, 2] = 0
    losses = [p.loss for p in run(small_recipe(batch=2), people, Path(folder) / "two", validation=people[:5])]
    np.save(Path(folder) / f"losses-{rank}.npy", losses)
    distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_processes_are_one_with_the_doubled_batch(tmp_path: Path) -> None:
    people = read_coco(draw_set(tmp_path), tmp_path / "images", COCO_17)
    people[0].joints[3:, 2] = 0
    one = run(small_recipe(batch=4), people, tmp_path / "one", validation=people[:5])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(_process, (port, str(tmp_path)), nprocs=2)
    for rank in (0, 1):
        assert np.load(tmp_path / f"losses-{rank}.npy") == pytest.approx([p.loss for p in one], rel=1e-5)
    single, double = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(single[name], double[name], atol=1e-5) for name in single)
    # The sharded validation counts everybody once.
    assert checkpoint.read(tmp_path / "two" / "last.pt").best == pytest.approx(
        checkpoint.read(tmp_path / "one" / "last.pt").best, abs=1e-4
    )


def test_sigterm_saves_and_stops_between_two_steps(figures: list[Person], tmp_path: Path) -> None:
    done = []
    with stop_signals() as stop:
        for progress in train(small_recipe(), figures, tmp_path, dataclasses.replace(HERE, stop=stop)):
            done.append(progress)
            if len(done) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
    assert 3 <= len(done) <= 4
    assert checkpoint.read(tmp_path / "last.pt").step == len(done)
    assert len(done) + len(run(small_recipe(), figures, tmp_path, resume=True)) == 12


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_batch(figures: list[Person], tmp_path: Path) -> None:
    run(small_recipe(), figures, tmp_path, steps=2)
    before = weights(tmp_path)
    for person in figures:
        person.joints[0, :2], person.joints[0, 2] = 20, 2
    bad = [dataclasses.replace(p, weight=float("nan")) for p in figures]
    with pytest.raises(DataError, match=r"the loss is nan at step 2.*bad-batch\.pt"):
        run(small_recipe(), bad, tmp_path, resume=True)
    crops, _, weight = torch.load(tmp_path / "bad-batch.pt", weights_only=True)[0]
    assert crops.shape == (2, 64, 64, 3)
    assert torch.isnan(weight).all()
    after = weights(tmp_path)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_full_disk_keeps_the_last_checkpoint(figures: list[Person], tmp_path: Path) -> None:
    run(small_recipe(), figures, tmp_path, steps=2)
    before = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.pt.tmp").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"last\.pt: cannot be written.*Free some disk space"):
        run(small_recipe(), figures, tmp_path, resume=True)
    assert (tmp_path / "last.pt").read_bytes() == before
    assert not (tmp_path / "last.pt.tmp").exists()
    assert len(run(small_recipe(), figures, tmp_path, resume=True)) == 10


def test_a_wrong_resume_is_refused_in_one_line(figures: list[Person], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"last\.pt: not found\. Start without --resume"):
        run(small_recipe(), figures, tmp_path, resume=True)
    run(small_recipe(), figures, tmp_path / "a", steps=1)
    with pytest.raises(CheckpointError, match="expected a checkpoint of other, got tiny-hourglass"):
        run(small_recipe(name="other"), figures, tmp_path / "a", resume=True)
    with pytest.raises(CheckpointError, match="expected a run of 24 steps, got 12"):
        run(small_recipe(epochs=6), figures, tmp_path / "a", resume=True)
    with pytest.raises(CheckpointError, match=r"was trained with no --set\. Resume with the same changes"):
        run(small_recipe(lr=0.1), figures, tmp_path / "a", resume=True, overrides={"lr": "0.1"})
    with pytest.raises(CheckpointError, match="does not fit the network"):
        run(small_recipe(net=lambda: Small(18)), figures, tmp_path / "a", resume=True)
    (tmp_path / "a" / "last.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        run(small_recipe(), figures, tmp_path / "a", resume=True)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_damaged_picture_costs_its_samples_and_is_told_of_once(
    workers: int, figures: list[Person], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    figures[2].path.write_bytes(b"")
    figures[5].path.unlink()
    two = (Phase((64, 64), 0.5), Phase((64, 64), 0.5))
    recipe = small_recipe(epochs=2, phases=two)
    done = list(train(recipe, figures, tmp_path / "run", Options(workers=workers), validation=figures))
    assert len(done) == 8
    assert all(np.isfinite(p.loss) for p in done)
    assert [len(p.validation.pictures()) for p in done if p.validation is not None] == [2, 2]
    told = [record.getMessage() for record in caplog.records]
    assert sum("3.png: the file is empty: not a readable picture" in text for text in told) == 1
    assert sum("6.png: cannot be read (No such file" in text for text in told) == 1
    assert len(told) == 2


def test_a_validation_leaves_out_whose_picture_cannot_be_read(figures: list[Person]) -> None:
    recipe, net = small_recipe(), Small()
    without = validate(net, recipe, figures[1:], torch.device("cpu"))
    figures[0].path.write_bytes(b"")
    assert validate(net, recipe, figures, torch.device("cpu")).figures == without.figures


def test_a_training_whose_pictures_are_all_gone_stops_and_is_saved(figures: list[Person], tmp_path: Path) -> None:
    run(small_recipe(epochs=100), figures, tmp_path, steps=2)
    for person in figures:
        person.path.unlink()
    with pytest.raises(DataError, match=r"100 pictures in a row cannot be read, the last: .*No such file"):
        run(small_recipe(epochs=100), figures, tmp_path, resume=True)
    assert 2 < torch.load(tmp_path / "last.pt", weights_only=True)["step"] < 60


def test_too_few_people_for_a_batch(figures: list[Person], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected at least 16 people"):
        run(small_recipe(batch=16), figures, tmp_path)


def test_schedules() -> None:
    cosine = small_recipe(lr=1.0, warmup_steps=10)
    assert learning_rate(cosine, 0, 110) == pytest.approx(0.1)
    assert learning_rate(cosine, 9, 110) == learning_rate(cosine, 10, 110) == 1.0
    assert learning_rate(cosine, 60, 110) == pytest.approx(0.5)
    assert learning_rate(cosine, 110, 110) == pytest.approx(0.0)
    trunk = small_recipe(lr=1.0, warmup_steps=10, schedule="constant")
    assert [learning_rate(trunk, step, 110) for step in (0, 9, 10, 109)] == pytest.approx([0.1, 1, 1, 1])
    short = small_recipe(lr=1.0, warmup_steps=300)
    assert [learning_rate(short, step, 92) for step in (0, 8, 9, 92)] == pytest.approx([1 / 9, 1, 1, 0])
    hrnet = RECIPES["hrnet-w32-256x192"]
    epochs = [learning_rate(hrnet, epoch * 100, 21000) for epoch in (0, 169, 170, 199, 200, 209)]
    assert epochs == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


def test_phases_cover_all_steps() -> None:
    recipe = RECIPES["hourglass-s"]
    assert [(begin, end) for _, begin, end in phases(recipe, 8400)] == [(0, 6300), (6300, 8400)]


def test_the_four_strategies_of_pose_machines() -> None:
    assert supervised("everywhere", 3, 0.9) == range(3)
    assert supervised("final", 3, 0.1) == range(2, 3)
    assert [supervised("stagewise", 3, done)[0] for done in (0, 0.3, 0.4, 0.7, 1 - 1e-9)] == [0, 0, 1, 2, 2]
    assert [list(supervised("stagewise-joint", 2, done)) for done in (0, 0.3, 0.5, 0.9)] == [[0], [1], [0, 1], [0, 1]]


def test_stage_by_stage_leaves_earlier_stages_alone(figures: list[Person], tmp_path: Path) -> None:
    recipe = small_recipe(supervision="stagewise", weight_decay=0.1)
    run(recipe, figures, tmp_path, steps=6)
    half = weights(tmp_path)
    run(recipe, figures, tmp_path, resume=True)
    end = weights(tmp_path)
    assert torch.equal(half["net.first.weight"], end["net.first.weight"])
    assert torch.equal(half["net.second.bias"], end["net.second.bias"])
    assert not torch.equal(half["net.refine.weight"], end["net.refine.weight"])


def test_earlier_parameters_of_a_pose_machine() -> None:
    net = ConvolutionalPoseMachine(5, stages=3, width=8)
    names = {id(p): name for name, p in net.named_parameters()}
    found = {names[id(p)].rsplit(".", 2)[0] for p in earlier_parameters(net, (32, 32), 2)}
    assert found == {"stage1", "features", "reductions.0", "refinements.0"}


def test_fine_tuning_keeps_what_fits(figures: list[Person], tmp_path: Path) -> None:
    run(small_recipe(), figures, tmp_path / "old")
    old = weights(tmp_path / "old")
    recipe = small_recipe(net=lambda: Small(17), lr=0.0, name="new")
    run(recipe, figures, tmp_path / "new", steps=1, start_from=tmp_path / "old" / "last.pt")
    assert torch.equal(weights(tmp_path / "new")["net.first.weight"], old["ema.first.weight"])


def test_a_teacher_fills_in_what_nobody_labelled(figures: list[Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe()
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    run(recipe, figures, tmp_path / "teacher")
    teacher = NetworkTeacher(tmp_path / "teacher" / "last.pt", recipe, torch.device("cpu"))
    for person in figures:
        person.joints[:, 2] = 0
        person.joints[:, :2] = np.nan
    alone = run(small_recipe(seed=1, epochs=1), figures, tmp_path / "alone")
    taught = run(small_recipe(seed=1, epochs=20, lr=1e-2), figures, tmp_path / "taught", teacher=teacher)
    assert all(p.loss == 0 for p in alone)  # no label, no loss
    assert taught[-1].loss < 0.2 * taught[0].loss


def test_recipes_are_changed_from_text() -> None:
    recipe = override(
        RECIPES["hourglass-s"], {"lr": "2e-3", "batch": "4", "optimiser": "adam", "sync_batchnorm": "true", "augment.flip_p": "0"}
    )
    assert (recipe.lr, recipe.batch, recipe.optimiser, recipe.sync_batchnorm, recipe.augment.flip_p) == (
        2e-3,
        4,
        "adam",
        True,
        0.0,
    )
    with pytest.raises(DataError, match="there is no speed to change"):
        override(recipe, {"speed": "9"})
    with pytest.raises(DataError, match="batch: expected a whole number, got 'many'"):
        override(recipe, {"batch": "many"})
    with pytest.raises(DataError, match="lr: expected a number, got ''"):
        override(recipe, {"lr": ""})
    with pytest.raises(DataError, match="optimiser: expected adamw or adam or rmsprop, got 'sgd'"):
        override(recipe, {"optimiser": "sgd"})


def test_half_precision_trains_as_full_to_rounding(figures: list[Person], tmp_path: Path) -> None:
    full = run(small_recipe(), figures, tmp_path / "fp32")
    half = run(small_recipe(precision="bf16"), figures, tmp_path / "bf16")
    assert [p.loss for p in half] == pytest.approx([p.loss for p in full], rel=2e-2)
    assert [p.loss for p in half] != [p.loss for p in full]
