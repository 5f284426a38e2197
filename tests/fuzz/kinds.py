"""The kinds of files that come from outside: a good one of each, and everything that reads it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from damage import damage_bytes, damage_json

from poseapp.convert.checkpoints import ARCHS, load, read_state
from poseapp.convert.ready.describe import joints_of, pixels_of
from poseapp.convert.ready.network import read_network
from poseapp.convert.ready.package import is_package, read_package
from poseapp.convert.ready.wrap import wrapped
from poseapp.core.errors import DataError, PoseAppError
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16
from poseapp.core.spec import ModelSpec
from poseapp.engine import choice, timing_cache
from poseapp.engine import detector as detect
from poseapp.engine.load import load_engine
from poseapp.engine.store import list_models
from poseapp.engine.tensorrt.plans import (
    PlanInfo,
    PlanKey,
    Shapes,
    Tensor,
    _old_because,
    info_path,
    rejected_earlier,
    stale_because,
)
from poseapp.train import checkpoint
from poseapp.train.data.annotations import read_image
from poseapp.train.data.check import check_set
from poseapp.train.data.coco import read_annotations
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import read_pictures
from poseapp.train.data.shards import Shards
from poseapp.train.eval.average_precision import coco_summary
from poseapp.train.eval.detections import Box, read_boxes

Trial = Callable[[random.Random], None]
"""Reads one damaged file, the next one of a seed: returns, or raises PoseAppError. Anything else is a fault."""


class DisagreementError(AssertionError):
    """Two readers do not say the same of one file."""


def labels(folder: Path) -> Trial:
    """A COCO keypoint file, for check, training and evaluation, who must agree."""
    from drawn import draw_set

    path = draw_set(folder, 3)
    content = json.loads(path.read_text())
    content["annotations"].append({**content["annotations"][0], "id": 9, "iscrowd": 1})

    def trial(chance: random.Random) -> None:
        path.write_bytes(damage_json(content, chance))
        part = LabelledSet(path, folder / "images", "train")
        report = check_set(path, folder / "images")
        try:
            people = part.read(COCO_17, 5)
        except DataError as error:
            if not report.refused:
                raise DisagreementError(f"check accepts what training refuses: {error}") from None
            raise
        if report.refused:
            raise DisagreementError(f"check refuses what training accepts: {report.counts}")
        if part.format == "coco":
            found = [Box(p.image_id, p.path, p.box) for p in people]
            coco_summary(part.content, found, [p.joints for p in people], None)
            read_pictures(part, COCO_17)

    return trial


def mpii_json(folder: Path) -> Trial:
    """MPII as a list in JSON."""
    (folder / "a.jpg").write_bytes(_picture(".jpg"))
    joints = [[i + 1, 2 * i + 1] for i in range(16)]
    entry = {"image": "a.jpg", "center": [51, 61], "scale": 0.5, "joints": joints, "joints_vis": [1] * 16}
    path = folder / "train.json"

    def trial(chance: random.Random) -> None:
        path.write_bytes(damage_json([entry, entry], chance))
        check_set(path, folder)
        LabelledSet(path, folder, "train").read(MPII_16, 1)

    return trial


def boxes(folder: Path) -> Trial:
    """Detections in COCO's format."""
    from drawn import draw_set

    annotations = read_annotations(draw_set(folder, 2), folder / "images")
    content = [{"image_id": i, "category_id": 1, "bbox": [1.0, 2, 30, 40], "score": 0.5} for i in (1, 2)]

    def trial(chance: random.Random) -> None:
        (folder / "boxes.json").write_bytes(damage_json(content, chance))
        read_boxes(folder / "boxes.json", annotations)

    return trial


def model_json(folder: Path) -> Trial:
    """model.json in a store beside a good model, which must stay usable."""
    from tiny_model import write_model

    write_model(folder / "good")
    path = write_model(folder / "other") / "model.json"
    content = json.loads(path.read_text())

    def trial(chance: random.Random) -> None:
        path.write_bytes(damage_json(content, chance))
        good, other = list_models(folder)
        if good.spec is None:
            raise DisagreementError("a broken model breaks another one")
        if other.spec is None:
            raise PoseAppError(other.error)
        ModelSpec.from_json(other.spec.to_json(), "again")

    return trial


def detector_json(folder: Path) -> Trial:
    """detector.json beside a good detector, which must be found."""
    content = json.loads((Path(__file__).parents[2] / "engines" / "person-detector" / "detector.json").read_text())
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "detector.json").write_text(json.dumps(content))

    def trial(chance: random.Random) -> None:
        (folder / "a" / "detector.json").write_bytes(damage_json(content, chance))
        found = detect.find_detector(folder)
        assert found is not None
        detect.DetectorSpec.read(found / "detector.json")
        detect.DetectorSpec.read(folder / "a" / "detector.json")

    return trial


def timings(folder: Path) -> Trial:
    """The timings of CPU backends: a damaged one is no timing, and no error."""
    from tiny_model import SPEC

    os.environ["XDG_CACHE_HOME"] = str(folder)
    among = choice.options(SPEC, "fp32", "onnxruntime")
    choice._write(SPEC, 1, among, [choice.Timing("onnxruntime", "fp32", 1.0, 0.0)])
    path = timing_cache.place(choice.CACHE, choice._key(SPEC, 1))
    content = json.loads(path.read_text())

    def trial(chance: random.Random) -> None:
        path.write_bytes(damage_json(content, chance))
        known = choice.read(SPEC, 1, among)
        assert known is None or choice.fastest(among, known) in (*among, None)

    return trial


def plans(folder: Path) -> Trial:
    """The description beside a compiled plan: a damaged one is stale, and no error."""
    shapes = (Shapes(1, 1, 1), Shapes(1, 8, 8))
    key = PlanKey("ab" * 32, "TensorRT 10.9", "RTX 4090", "8.9", "570.1", "fp16", (64, 48), shapes, ("fp16",))
    tensor = (Tensor("crops", (-1, 64, 48, 3), "uint8"),)
    info = PlanInfo(key, hashlib.sha256(b"plan").hexdigest(), 4, tensor, tensor, 1.0, 0.1)
    path = folder / "gpu.plan"
    path.write_bytes(b"plan")
    content = json.loads(info.to_json())

    def trial(chance: random.Random) -> None:
        info_path(path).write_bytes(damage_json(content, chance))
        reason = stale_because(path, key)
        assert "\n" not in reason
        rejected_earlier(path, key)
        _old_because(path, path, folder, None, None, "TensorRT 10.9")

    return trial


def mat(folder: Path) -> Trial:
    """MATLAB files of MPII and LSP, plain and compressed."""
    from mpii_files import write_mpii
    from scipy.io import loadmat, savemat

    path = write_mpii(folder)
    release = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    joints = {"joints": np.random.default_rng(0).uniform(10, 90, (14, 3, 4))}
    good = []
    for content, name in ((release, path.name), (joints, "joints.mat")):
        for compressed in (False, True):
            file = io.BytesIO()
            savemat(file, content, do_compression=compressed)
            good.append((name, file.getvalue()))

    def trial(chance: random.Random) -> None:
        name, content = chance.choice(good)
        (folder / name).write_bytes(damage_bytes(content, chance))
        part = LabelledSet(folder / name, folder / "images", "train")
        report = check_set(part.annotations, part.images)
        try:
            part.read(MPII_16 if name.startswith("mpii") else LSP_14, 5)
        except DataError as error:
            if not report.refused:
                raise DisagreementError(f"check accepts what training refuses: {error}") from None
            raise

    return trial


def checkpoints(folder: Path) -> Trial:
    """Pickled weights, as torch writes them now and as it did, for import and training."""
    import published_layouts as published

    tape = published.Tape(4, gain=0.5)
    with torch.no_grad():
        published.bearpaw(tape, torch.zeros(1, 3, 64, 64), 1, 16)
    few = dict(list(tape.state.items())[:6])
    good = []
    for zipped in (True, False):
        for content in ({"state_dict": tape.state, "epoch": 1}, {"recipe": "r", "step": 1, "steps": 2, "net": few, "ema": few}):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=zipped)
            good.append(file.getvalue())
    path = folder / "weights.pth"

    def trial(chance: random.Random) -> None:
        path.write_bytes(damage_bytes(chance.choice(good), chance))
        told = None
        for read in (checkpoint.read, lambda p: load(read_state(p), ARCHS["hourglass-1"], str(p))):
            try:
                read(path)
            except PoseAppError as error:
                told = error
        if told is not None:
            raise told

    return trial


def pickles(folder: Path) -> Trial:
    """The pickle within a file of weights, whose storages and sums stay right; what torch reads as well must be the same."""
    numbers = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = {"a.weight": numbers, "a.bias": numbers[1:3, ::2], "b.weight": numbers.half(), "b.bias": torch.ones(())}
    beside = {"epoch": np.float64(2), "optimizer": {"state": {0: {"step": 3}}, "groups": [0.1]}}
    content = {"state_dict": state, **beside}
    packed, plain = io.BytesIO(), io.BytesIO()
    torch.save(content, packed)
    torch.save(content, plain, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(packed) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    (pickled,) = (name for name in records if name.endswith("/data.pkl"))
    path = folder / "weights.pth"

    def trial(chance: random.Random) -> None:
        if chance.random() < 0.3:
            path.write_bytes(damage_bytes(plain.getvalue(), chance))
        else:
            with zipfile.ZipFile(path, "w") as archive:
                for name, record in records.items():
                    archive.writestr(name, damage_bytes(record, chance) if name == pickled else record)
        found = read_state(path)
        try:
            trusted = torch.load(path, weights_only=True)["state_dict"]
        except Exception:
            return
        for name, value in found.items():
            if name in trusted and not np.array_equal(value, trusted[name].numpy(), equal_nan=True):
                raise DisagreementError(f"{name} is {value} here and {trusted[name]} in torch")

    return trial


def packages(folder: Path) -> Trial:
    """Archives of graphs that are ready to run: the archive, its JSON files or the graph within it are damaged."""
    import ready_graphs as ready

    small = (64, 32)
    graphs = ready.rtmpose_graph(input_hw=small), ready.rtmo_graph(small)
    files = {"deploy.json": ready.deploy_json(), "pipeline.json": ready.pipeline_json(small), "detail.json": ready.detail_json()}
    path = folder / "net.zip"

    def trial(chance: random.Random) -> None:
        graph, what = chance.choice(graphs), chance.random()
        if what < 0.4:
            graph, inner = damage_bytes(graph, chance), files
        elif what < 0.8:
            inner = {name: damage_json(content, chance) for name, content in files.items()}  # type: ignore[misc]
        else:
            inner = files
        content = ready.archive(graph, inner)
        path.write_bytes(damage_bytes(content, chance) if what >= 0.8 else content)
        if is_package(path):
            package = read_package(path)
            network = read_network(package, "net.zip")
            skeleton, joints = joints_of(network, package, None, "net.zip")
            wrapped(network, pixels_of(network, package), skeleton, joints)
            assert network.macs >= 0

    return trial


def onnx(folder: Path) -> Trial:
    """Graphs that fit their hash: somebody meant them to be loaded."""
    from tiny_model import write_model

    write_model(folder / "m")
    content, text = (folder / "m" / "model.onnx").read_bytes(), json.loads((folder / "m" / "model.json").read_text())

    def trial(chance: random.Random) -> None:
        damaged = damage_bytes(content, chance)
        (folder / "m" / "model.onnx").write_bytes(damaged)
        (folder / "m" / "model.json").write_text(json.dumps({**text, "weights_sha256": hashlib.sha256(damaged).hexdigest()}))
        load_engine(folder / "m", "cpu", threads=1).close()

    return trial


def shards(folder: Path) -> Trial:
    """Tar files of pictures and labels."""
    label = {"bbox": [1, 1, 40, 40], "keypoints": [20, 20, 2] * 17, "id": 1}
    good = []
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as tar:
            for i in range(3):
                text = json.dumps({"annotations": [label]}).encode()
                for name, content in ((f"{i}.jpg", _picture(".jpg")), (f"{i}.json", text)):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        good.append(file.getvalue())
    path = folder / "shard.tar"

    def trial(chance: random.Random) -> None:
        path.write_bytes(damage_bytes(chance.choice(good), chance))
        Shards.open([str(path)], COCO_17, 1)

    return trial


def pictures(folder: Path) -> Trial:
    """Pictures of a set."""
    good = [_picture(ending) for ending in (".jpg", ".png", ".webp", ".bmp", ".tiff")]

    def trial(chance: random.Random) -> None:
        (folder / "a.jpg").write_bytes(damage_bytes(chance.choice(good), chance))
        read_image(folder / "a.jpg")

    return trial


def _picture(ending: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return bytes(cv2.imencode(ending, cv2.GaussianBlur(noise, (5, 5), 0))[1].tobytes())


KINDS: dict[str, Callable[[Path], Trial]] = {
    kind.__name__: kind
    for kind in (
        labels, mpii_json, boxes, model_json, detector_json, timings, plans, mat, checkpoints, pickles, packages, onnx, shards,
        pictures
    )
}  # fmt: skip


def tell(error: PoseAppError) -> str:
    """What is wrong with the message of *error*, or ""."""
    text = str(error)
    if "\n" in text or len(text) > 1500 or not text.strip():
        return f"not one line: {text[:200]!r}"
    return ""
