"""How fast training is: samples, the loader, and the steps."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from poseapp.core import transform
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import ImageArray
from poseapp.nets.blocks import count_macs
from poseapp.train.data.annotations import BOX_PADDING, Person, read_image
from poseapp.train.data.datasets import find_set
from poseapp.train.data.loader import steps_of
from poseapp.train.data.order import Loading
from poseapp.train.data.scene_dataset import CropPoses
from poseapp.train.data.targets import target_of
from poseapp.train.loop import new_network, new_training
from poseapp.train.recipes import Precision, Recipe
from poseapp.train.step import Stepper
from poseapp.train.tasks.detection import BoxEncoder


def sample_ms(recipe: Recipe, data: str) -> dict[str, float]:
    """The parts of a sample at the deployed size, in ms on one thread; what is asked of affine and targets is 1 ms."""
    cv2.setNumThreads(1)
    people = people_of(recipe, data)[:400]
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    target = target_of(recipe, recipe.input_hw)
    n = len(people)

    def image(i: int) -> ImageArray:
        return read_image(people[i % n].path) if data else noise

    def affine(i: int) -> tuple[transform.Affine, bool]:
        person, random = people[i % n], np.random.default_rng(i)
        box = transform.fit_aspect(person.box, target.input_hw, BOX_PADDING)
        return recipe.augment.geometry(box, person.joints, recipe.skeleton, target.input_hw, random)

    images = [image(i) for i in range(64)]
    affines = [affine(i)[0] for i in range(64)]
    crops = [transform.crop(images[i], affines[i], target.input_hw) for i in range(64)]

    def targets(i: int) -> object:
        joints = people[i % n].joints.copy()
        joints[:, :2] = transform.apply(affines[i % 64], joints[:, :2])
        return target.encode(joints)

    parts = {
        "read and decode": milliseconds(image, n) if data else math.nan,
        "affine": milliseconds(lambda i: transform.crop(images[i % 64], affine(i)[0], target.input_hw), n),
        "appearance": milliseconds(lambda i: recipe.augment.appearance(crops[i % 64], np.random.default_rng(i)), n),
        "targets": milliseconds(targets, n),
    }
    return {**parts, "affine + targets": parts["affine"] + parts["targets"]}


@dataclass(frozen=True)
class Rate:
    """Images a second of training steps of ``batch`` people, and the peak of GPU memory in GiB (0 on a CPU)."""

    recipe: Recipe
    batch: int
    per_s: float
    gib: float


def rates(recipes: Sequence[Recipe], device: str, batch: int, seconds: float) -> Iterator[Rate]:
    """The rate of each recipe in each precision that *device* is used with."""
    precisions: tuple[Precision, ...] = ("fp32", "bf16") if device == "cpu" else ("fp32", "bf16", "fp16")
    for chosen, precision in itertools.product(recipes, precisions):
        recipe = replace(chosen, precision=precision)
        size = batch or recipe.batch
        if not batch and device == "cpu":  # a step of a few seconds, whatever the network
            size = max(1, min(recipe.batch, round(20e9 / count_macs(recipe.net().eval(), recipe.input_hw))))
        yield Rate(recipe, size, *step_rate(recipe, torch.device(device), size, seconds))


def step_rate(recipe: Recipe, device: torch.device, batch: int, seconds: float) -> tuple[float, float]:
    """Images a second of training steps at the deployed size, after one to warm up, and the peak of GPU memory in GiB."""
    stepper = a_training(recipe, device)
    batches = [a_batch(recipe, batch, recipe.input_hw)]
    stepper.step(batches)
    steps, start = 0, time.perf_counter()
    while not steps or time.perf_counter() - start < seconds:
        stepper.step(batches)
        steps += 1
    rate = steps * batch / (time.perf_counter() - start)
    return rate, torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0


def loaded_and_trained(recipe: Recipe, data: str, workers: int, seconds: float) -> tuple[float, float]:
    """Images a second out of the loader and into training steps, one after the other; what is asked of the ratio is 3."""
    people = people_of(recipe, data)
    per_epoch = len(people) // recipe.batch
    loading = Loading(range(100 * per_epoch), per_epoch, workers=workers)
    steps = steps_of(people, recipe, target_of(recipe, recipe.input_hw), loading)
    for _ in range(4 * workers):  # the processes start up, and their queue fills
        next(steps)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(steps)
        count += recipe.batch
    loaded = count / (time.perf_counter() - start)
    del steps
    return loaded, step_rate(recipe, torch.device("cpu"), recipe.batch, seconds)[0]


def people_of(recipe: Recipe, data: str) -> list[Person]:
    """The people that *recipe* would train on at *data*, or 400 made-up ones for ""."""
    if not data:
        return made_up_people(400, recipe.skeleton)
    return find_set(data, "train").read(recipe.skeleton, recipe.min_joints)


def made_up_people(count: int, skeleton: Skeleton, seed: int = 0) -> list[Person]:
    """People with joints all over a 640×480 picture, without pictures."""
    random = np.random.default_rng(seed)
    people = []
    for i in range(count):
        joints = np.column_stack([random.uniform((200, 100), (440, 400), (skeleton.k, 2)), np.full(skeleton.k, 2)])
        box = np.array([180, 80, 280, 340], np.float32)
        people.append(Person(i, i, Path(), box, joints.astype(np.float32), 50000.0))
    return people


def a_training(recipe: Recipe, device: torch.device) -> Stepper:
    """What makes the steps of a fresh training of *recipe*."""
    torch.manual_seed(recipe.seed)
    return Stepper(new_training(recipe, new_network(recipe, device), steps=1000))


def a_batch(recipe: Recipe, size: int, input_hw: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random crops with real targets."""
    target = target_of(recipe, input_hw)
    random = np.random.default_rng(0)
    crops = torch.from_numpy(random.integers(0, 255, (size, *input_hw, 3), np.uint8))
    targets, weights = [], []
    for person in made_up_people(size, recipe.skeleton):
        joints = person.joints.copy()
        joints[:, :2] *= np.array(input_hw[::-1], np.float32) / (640, 480)
        box = np.array([[0.0, 0.0], [input_hw[1], input_hw[0]]])
        if recipe.task == "detection":
            maps, weight = BoxEncoder(recipe.stride).encode([CropPoses(joints, box.ravel().astype(np.float32))], [], input_hw)
        else:
            maps, weight = target.encode_all([joints], [box]) if target.limbs else target.encode(joints)
        targets.append(torch.from_numpy(maps))
        weights.append(torch.from_numpy(weight))
    return crops, torch.stack(targets), torch.stack(weights)


def milliseconds(action: Callable[[int], object], repeat: int) -> float:
    """Median time of *action*(i), in ms."""
    times = []
    for i in range(repeat):
        start = time.perf_counter()
        action(i)
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times))


def size_of(recipe: Recipe) -> str:
    """The deployed input, as it is printed."""
    return f"{recipe.input_hw[0]}×{recipe.input_hw[1]}"


def images(rate: float) -> str:
    """A rate as it is printed."""
    return f"{rate:.0f}" if rate >= 20 else f"{rate:.2g}"
