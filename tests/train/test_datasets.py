"""Sets in every layout, and what is wrong with them, named before a training starts."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn import draw_set, tiny_recipe
from mpii_files import write_mpii
from scipy.io import savemat

from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16
from poseapp.train.data.annotations import read_coco
from poseapp.train.data.augment import Augment
from poseapp.train.data.check import check_set
from poseapp.train.data.datasets import LabelledSet, expand_shards, find_set
from poseapp.train.data.loader import steps_of
from poseapp.train.data.order import Loading
from poseapp.train.data.shards import Shards
from poseapp.train.data.targets import target_of
from poseapp.train.loop import Options, train


def test_layouts_are_found(tmp_path: Path) -> None:
    annotations = draw_set(tmp_path / "ours")
    found = find_set(str(tmp_path / "ours"), "train")
    assert (found.annotations, found.images) == (annotations, tmp_path / "ours" / "images")
    assert len(found.read(COCO_17, 5)) == 8
    coco = tmp_path / "coco"
    (coco / "annotations").mkdir(parents=True)
    (coco / "val2017").mkdir()
    (coco / "annotations" / "person_keypoints_val2017.json").write_text("{}")
    found = find_set(str(coco), "val")
    assert (found.annotations.name, found.images) == ("person_keypoints_val2017.json", coco / "val2017")
    assert find_set(str(annotations), "train").images == annotations.parent / "images"
    assert find_set(f"{annotations}=/elsewhere", "train").images == Path("/elsewhere")
    with pytest.raises(DataError, match=r"no person_keypoints_val\.json"):
        find_set(str(tmp_path / "ours"), "val")
    with pytest.raises(DataError, match="no such folder or file"):
        find_set(str(tmp_path / "nowhere"), "train")
    assert expand_shards("http://host/a-{008..010}.tar") == tuple(f"http://host/a-{n}.tar" for n in ("008", "009", "010"))


@pytest.mark.parametrize("compressed", [False, True])
def test_lsp_is_read_as_published(compressed: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.uniform(10, 90, (3, 14, 1002)).round(1)
    labels[2] = 0
    labels[2, 4, 1001] = 1  # hidden
    savemat(tmp_path / "joints.mat", {"joints": labels}, do_compression=compressed)
    (tmp_path / "images").mkdir()
    for number in range(1, 1003):
        (tmp_path / "images" / f"im{number:04d}.jpg").touch()
    train = find_set(str(tmp_path), "train").read(LSP_14, 14)
    test = find_set(str(tmp_path), "val").read(LSP_14, 14)
    assert (len(train), len(test)) == (1000, 2)
    assert test[1].path.name == "im1002.jpg"
    assert np.allclose(test[1].joints[:, :2], labels[:2, :, 1001].T - 1, atol=1e-4)
    assert test[1].joints[3:6, 2].tolist() == [2, 1, 2]


def test_lsp_extended_marks_what_is_not_labelled(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).uniform(10, 90, (14, 3, 2))
    labels[:, 2] = 1
    labels[5, 2, 0] = 0
    savemat(tmp_path / "joints.mat", {"joints": labels})
    for number in (1, 2):
        (tmp_path / f"im{number:05d}.png").touch()  # in high resolution; the first release has .jpg
    people = LabelledSet(tmp_path / "joints.mat", tmp_path, "train").read(LSP_14, 1)
    assert people[0].joints[:, 2].tolist() == [2] * 5 + [0] + [2] * 8
    assert people[0].path.name == "im00001.png"
    with pytest.raises(DataError, match="has no val part"):
        LabelledSet(tmp_path / "joints.mat", tmp_path, "val").read(LSP_14, 1)


def test_a_matlab_file_that_is_none_of_these_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "joints.mat"
    for content, expected in (
        (b"", "cannot be read as a MATLAB file"),
        (b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"\x0f\0\0\0\x40\0\0\0cut", "cannot be read as a MATLAB file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"joints\.mat: {expected}"):
            LabelledSet(path, tmp_path, "train").read(LSP_14, 1)
        assert check_set(path, tmp_path).refused
    savemat(path, {"joints": np.zeros((2, 5))})
    with pytest.raises(DataError, match=r"expected joints, 3×14×N or 14×3×N numbers, got 2×5"):
        LabelledSet(path, tmp_path, "train").read(LSP_14, 1)
    savemat(tmp_path / "mpii.mat", {"RELEASE": {"version": "12"}})
    with pytest.raises(DataError, match="expected MPII's RELEASE with annolist and img_train"):
        LabelledSet(tmp_path / "mpii.mat", tmp_path, "train").read(MPII_16, 1)
    with pytest.raises(DataError, match="cannot be read"):
        LabelledSet(tmp_path / "none.mat", tmp_path, "train").read(MPII_16, 1)


def test_mpii_is_read_as_published(tmp_path: Path) -> None:
    path = write_mpii(tmp_path)
    first, second, lone = find_set(str(tmp_path), "train").read(MPII_16, 1)
    assert [p.path.name for p in (first, second, lone)] == ["a.jpg", "a.jpg", "b.jpg"]
    assert first.box.tolist() == [50 - 1 - 50, 60 - 1 + 7.5 - 50, 100, 100]
    assert second.box[2] == 400
    assert first.joints[3].tolist() == [12, 25, 2]  # MATLAB counts from 1
    assert first.joints[[0, 2, 9], 2].tolist() == [1, 1, 2]
    assert first.head_px == pytest.approx(0.6 * 50)
    assert np.isnan(lone.head_px)
    assert len({p.annotation_id for p in (first, second, lone)}) == 3
    assert (first.image_id, second.image_id, lone.image_id) == (1, 1, 2)
    (validates,) = find_set(str(tmp_path), "val").read(MPII_16, 1)
    assert validates.path.name == "c.jpg"
    coco = find_set(str(tmp_path), "train").read(COCO_17, 5)[0].joints
    assert (coco[:5, 2] == 0).all()
    assert coco[COCO_17.index("left_wrist"), :2].tolist() == [24, 49]
    report = check_set(path, tmp_path / "images")
    assert (report.pictures, report.people, report.refused) == (2, 3, False)
    assert dict(report.counts) == {}
    (tmp_path / "images" / "b.jpg").unlink()
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.full((40, 100, 3), 90, np.uint8))
    report = check_set(path, tmp_path / "images")
    assert dict(report.counts) == {"missing picture": 1, "joint outside": 2}
    assert report.refused
    with pytest.raises(DataError, match=r"b\.jpg: picture not found"):
        find_set(str(tmp_path), "train").read(MPII_16, 1)


def test_mpii_is_read_from_json(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    entry = {
        "image": "a.jpg",
        "center": [51, 61],
        "scale": 0.5,
        "joints": [[i + 1, 2 * i + 1] for i in range(16)],
        "joints_vis": [1] * 15 + [0],
    }
    path = tmp_path / "train.json"
    path.write_text(json.dumps([entry]), encoding="utf-8")
    (tmp_path / "images").symlink_to(tmp_path)
    (person,) = find_set(str(tmp_path), "train").read(MPII_16, 1)
    assert person.box.tolist() == [0, 17.5, 100, 100]  # 15 px × scale lower than the centre
    assert person.joints[14].tolist() == [14, 28, 2]
    assert person.joints[15, 2] == 0
    path.write_text('[{"image": 3}]', encoding="utf-8")
    with pytest.raises(DataError, match="expected a list of joints"):
        find_set(str(tmp_path), "train").read(MPII_16, 1)


def test_every_fault_is_named(tmp_path: Path) -> None:
    path = draw_set(tmp_path)
    content = json.loads(path.read_text())
    images, labels = content["images"], content["annotations"]
    (tmp_path / "images" / "1.png").unlink()
    (tmp_path / "images" / "2.png").write_bytes(b"")
    jpeg = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))[1].tobytes()
    (tmp_path / "images" / "3.png").write_bytes(jpeg[: len(jpeg) // 2])
    images[3]["width"] = 50
    labels[4]["keypoints"][0] = 500.0
    labels[5]["keypoints"] = [0] * 51
    labels[6]["bbox"] = [5, 5, 0, 10]
    labels[7]["keypoints"] = [1, 2]
    labels.append({**labels[3], "id": 99, "iscrowd": 1})
    labels.append({**labels[3], "id": 4, "area": 0, "bbox": [200, 0, 10, 10]})
    labels.append({**labels[3], "id": 100, "image_id": 77})
    labels.append({**labels[3], "id": 101, "bbox": [float("nan"), 0, 10, 10]})
    labels.append({**labels[3], "id": 102, "keypoints": [50, 50, 2] + [0] * 48})
    path.write_text(json.dumps(content), encoding="utf-8")
    report = check_set(path, tmp_path / "images")
    assert dict(report.counts) == {
        "missing picture": 1, "unreadable picture": 2, "wrong size": 1, "joint outside": 1, "no labels": 1,
        "empty box": 1, "keypoint count": 1, "crowd": 1, "repeated id": 1, "no area": 1, "box outside": 1, "unknown picture": 1,
        "not a number": 1, "few labels": 1,
    }  # fmt: skip
    assert report.examples["unreadable picture"] == ["2.png", "3.png"]
    assert report.examples["wrong size"] == ["4.png: 50×96, is 96×96"]
    assert report.refused
    with pytest.raises(DataError, match="not a COCO keypoint file"):
        read_coco(path, tmp_path / "images", COCO_17)  # the annotation of a picture that is not listed


def test_a_clean_set_has_nothing_to_report(tmp_path: Path) -> None:
    report = check_set(draw_set(tmp_path), tmp_path / "images")
    assert not report.counts
    assert not report.refused
    assert (report.people, report.joints["nose"]) == (8, 8)


@pytest.mark.parametrize(
    "text", ["", "[", "{}", '{"images": [], "annotations": []}', '{"images": [1], "annotations": [2]}', "[1]"]
)
def test_what_is_no_keypoint_file_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    report = check_set(path, tmp_path)
    assert report.refused
    assert report.counts.keys() <= {"format", "nobody"}
    with pytest.raises(DataError, match=r"a\.json: ") as caught:
        read_coco(path, tmp_path, COCO_17)
    assert "\n" not in str(caught.value)


def write_shards(folder: Path, inside: bool) -> list[str]:
    """The drawn set in three tars; labels inside them as KEY.json, or apart."""
    content = json.loads((folder / "person_keypoints_train.json").read_text())
    paths = []
    for number in range(3):
        path = folder / f"shard-{number}.tar"
        with tarfile.open(path, "w") as tar:
            for image, label in list(zip(content["images"], content["annotations"], strict=True))[number::3]:
                tar.add(folder / "images" / image["file_name"], image["file_name"])
                if inside:
                    text = json.dumps({"annotations": [label]}).encode()
                    member = tarfile.TarInfo(Path(image["file_name"]).with_suffix(".json").name)
                    member.size = len(text)
                    tar.addfile(member, io.BytesIO(text))
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("inside", [True, False])
def test_shards_stream_everybody_and_resume_exactly(inside: bool, tmp_path: Path) -> None:
    annotations = draw_set(tmp_path, 12)
    recipe = tiny_recipe(batch=2, augment=Augment())
    shards = Shards.open(write_shards(tmp_path, inside), COCO_17, 5, None if inside else annotations)
    assert len(shards) == 12
    target = target_of(recipe, (64, 64))
    whole = list(steps_of(shards, recipe, target, Loading(range(9), 6)))
    later = list(steps_of(shards, recipe, target, Loading(range(4, 9), 6)))
    for one, other in zip(whole[4:], later, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[0], other[0], strict=True))
    plain = tiny_recipe(batch=2)
    crops = [c.numpy().tobytes() for step in steps_of(shards, plain, target, Loading(range(18), 6)) for c in step[0][0]]
    assert len(set(crops)) == 12


def test_shards_come_over_http(tmp_path: Path) -> None:
    draw_set(tmp_path, 6)
    write_shards(tmp_path, inside=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/shard-{{0..2}}.tar"
        shards = Shards.open(expand_shards(address), COCO_17, 5)
        assert len(shards) == 6
        with pytest.raises(DataError, match="cannot be read as a tar"):
            Shards.open((f"http://127.0.0.1:{server.server_port}/none.tar",), COCO_17, 5)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_broken_shard_is_named(tmp_path: Path) -> None:
    draw_set(tmp_path, 3)
    path = Path(write_shards(tmp_path, inside=True)[0])
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=r"shard-0\.tar: cannot be read as a tar"):
        Shards.open([str(path)], COCO_17, 5)


def test_an_error_in_a_loading_process_is_one_line_and_leaves_no_run(tmp_path: Path) -> None:
    draw_set(tmp_path / "set", 12)
    recipe = tiny_recipe(batch=2, epochs=1)
    shards = Shards.open(write_shards(tmp_path / "set", inside=True)[:1], COCO_17, 1)
    with pytest.raises(DataError, match=r"^shards: expected at least 2 \(one a reader\), got 1\. Use fewer workers\.$"):
        list(train(recipe, shards, tmp_path / "run", Options(workers=2)))
    assert not (tmp_path / "run" / "last.pt").exists()
