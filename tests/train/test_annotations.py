"""Annotation files as other tools write them: check, training and evaluation read the same people, or all refuse."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import draw_set

from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17
from poseapp.train.data.annotations import Person, read_coco
from poseapp.train.data.check import check_set
from poseapp.train.data.coco import read_annotations
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import read_pictures
from poseapp.train.data.shards import _people_by_picture
from poseapp.train.eval.average_precision import complete

Content = dict[str, Any]
Set = Callable[[Callable[[Content], None]], Path]


@pytest.fixture
def written(tmp_path: Path) -> Set:
    """Writes the drawn set of four, changed; gives the file's path."""
    path = draw_set(tmp_path, 4)
    content = json.loads(path.read_text())

    def write(change: Callable[[Content], None]) -> Path:
        changed = copy.deepcopy(content)
        change(changed)
        path.write_text(json.dumps(changed), encoding="utf-8")
        return path

    return write


def people(path: Path) -> list[Person]:
    return read_coco(path, path.parent / "images", COCO_17, 5)


def findings(path: Path) -> dict[str, int]:
    return dict(check_set(path, path.parent / "images").counts)


def every(key: str, value: Callable[[Any], Any]) -> Callable[[Content], None]:
    """Changes *key* of every annotation."""

    def change(content: Content) -> None:
        for entry in content["annotations"]:
            entry[key] = value(entry[key])

    return change


def ids_are_text(content: Content) -> None:
    for image in content["images"]:
        image["id"] = f"img-{image['id']}"
    for n, entry in enumerate(content["annotations"]):
        entry["image_id"], entry["id"] = f"img-{entry['image_id']}", "abcd"[n]


def no_ids(content: Content) -> None:
    for entry in content["annotations"]:
        del entry["id"]


def ids_of_both_kinds(content: Content) -> None:
    for entry in content["annotations"]:
        entry["image_id"] = str(entry["image_id"])


def a_ball(content: Content) -> None:
    content["categories"].append({"id": 2, "name": "ball"})
    content["annotations"].append({"id": 99, "image_id": 1, "category_id": 2, "bbox": [1, 1, 9, 9]})


def hands_first(content: Content) -> None:
    content["categories"][0] |= {"id": 7, "name": "person"}
    content["categories"].insert(0, {"id": 1, "name": "hand", "keypoints": [f"h{i}" for i in range(21)]})
    for entry in content["annotations"]:
        entry["category_id"] = 7
    content["annotations"].append({"id": 99, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "keypoints": [2] * 63})


def keepers_and_players(content: Content) -> None:
    first = content["categories"][0]
    names = first["keypoints"]
    content["categories"] = [
        {"id": 1, "name": "player", "keypoints": names}, {"id": 2, "name": "keeper", "keypoints": names[::-1]},
        {"id": 3, "name": "dog", "keypoints": [*names[:4], "tail"]},
    ]  # fmt: skip
    last = content["annotations"][-1]
    last["category_id"] = 2
    last["keypoints"] = np.reshape(last["keypoints"], (17, 3))[::-1].ravel().tolist()


def named(names: list[str]) -> Callable[[Content], None]:
    return lambda content: content["categories"][0].update(keypoints=names)


def no_categories(content: Content) -> None:
    del content["categories"]
    for entry in content["annotations"]:
        del entry["category_id"]


def pictures_called(name: Callable[[str], str]) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        for image in content["images"]:
            image["file_name"] = name(image["file_name"])

    return change


SAME: dict[str, Callable[[Content], None]] = {
    "ids are text": ids_are_text,
    "no ids": no_ids,
    "ids of both kinds": ids_of_both_kinds,
    "a ball": a_ball,
    "hands first": hands_first,
    "keepers and players": keepers_and_players,
    "no categories": no_categories,
    "numbered joints": named([str(i + 1) for i in range(17)]),
    "joints in words": named([name.replace("_", " ").title() for name in COCO_17.keypoints]),
    "joints in short": named(["Nose", *(f"{n.split('_')[0][0].upper()}{n.split('_')[1]}" for n in COCO_17.keypoints[1:])]),
    "numbers as text": every("keypoints", lambda v: [str(x) for x in v]),
    "keypoints in threes": every("keypoints", lambda v: np.reshape(v, (17, 3)).tolist()),
    "area as text": every("area", str),
    "box as text": every("bbox", lambda v: [str(x) for x in v]),
    "iscrowd false": every("iscrowd", lambda v: False),
    "iscrowd null": every("iscrowd", lambda v: None),
    "windows paths": pictures_called(lambda name: f"C:\\data\\images\\{name}"),
    "absolute paths": pictures_called(lambda name: f"/somebody/else/images/{name}"),
    "file addresses": pictures_called(lambda name: f"file:///d:/set/{name}"),
    "web addresses": pictures_called(lambda name: f"https://host/data/upload/1/{name}?token=a.b"),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_other_ways_to_write_the_same(written: Set, change: Callable[[Content], None]) -> None:
    as_usual = people(written(lambda content: None))
    path = written(change)
    again = people(path)
    assert set(findings(path)) <= {"other category"}
    for one, other in zip(as_usual, again, strict=True):
        assert np.array_equal(one.joints, other.joints, equal_nan=True)
        assert np.allclose(one.box, other.box)
        assert (one.image_id, one.path) == (other.image_id, other.path)
        assert one.area == pytest.approx(other.area)
    truth = complete(read_annotations(path, path.parent / "images"))["annotations"]
    assert [entry["num_keypoints"] for entry in truth] == [17] * 4
    assert np.allclose(np.reshape(truth[3]["keypoints"], (17, 3)), as_usual[3].joints)
    assert sum(map(len, _people_by_picture(path, COCO_17, 5).values())) == 4


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_any_encoding(written: Set, encoding: str) -> None:
    path = written(lambda content: content["images"][0].update(file_name="Jürgen.png"))
    (path.parent / "images" / "1.png").rename(path.parent / "images" / "Jürgen.png")
    path.write_bytes(json.dumps(json.loads(path.read_text()), ensure_ascii=False).encode(encoding))
    assert people(path)[0].path.name == "Jürgen.png"
    assert findings(path) == {}


def labelled(path: Path) -> list[int]:
    """Labels of each person, of those that training sees."""
    return [int(np.count_nonzero(person.joints[:, 2])) for person in read_coco(path, path.parent / "images", COCO_17, 1)]


def first(**values: Any) -> Callable[[Content], None]:
    return lambda content: content["annotations"][0].update(values)


def keypoints(values: list[Any], at: int = 0) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["annotations"][0]["keypoints"][3 * at : 3 * at + len(values)] = values

    return change


@pytest.mark.parametrize(
    ("change", "found", "labels"),
    [
        (keypoints([float("nan"), float("nan"), 0]), {}, [16, 17, 17, 17]),
        (keypoints([None, None, 0]), {}, [16, 17, 17, 17]),
        (keypoints([None, None, None]), {}, [16, 17, 17, 17]),
        (keypoints([float("nan"), 5, 2]), {"not a number": 1}, [16, 17, 17, 17]),
        (keypoints([1e300, 5, 2]), {"not a number": 1}, [16, 17, 17, 17]),
        (keypoints([0, 0, 2] * 3), {"zero": 1}, [14, 17, 17, 17]),
        (keypoints([500, 5, 2]), {"joint outside": 1}, [17, 17, 17, 17]),
        (first(keypoints=[]), {"no labels": 1}, [17, 17, 17]),
        (first(keypoints=None, segmentation=[[1, 1, 5, 5, 1, 5]]), {"no labels": 1}, [17, 17, 17]),
        (first(keypoints=[0] * 51, bbox=[0, 0, 0, 0]), {"no labels": 1}, [17, 17, 17]),
        (first(keypoints=[0.1, 0.2, 2] * 17), {"shares": 1}, [17, 17, 17]),
        (first(bbox=None), {"no box": 1}, [17, 17, 17, 17]),
        (first(bbox=[]), {"no box": 1}, [17, 17, 17, 17]),
        (first(bbox=[None, 0, 5, 5]), {"not a number": 1}, [17, 17, 17, 17]),
        (first(bbox=[0, 0, 0, 0]), {"empty box": 1}, [17, 17, 17]),
        (first(area=None), {"no area": 1}, [17, 17, 17, 17]),
        (first(area=float("nan")), {"no area": 1}, [17, 17, 17, 17]),
        (first(id=2), {"repeated id": 1}, [17, 17, 17, 17]),
        (first(iscrowd=1), {"crowd": 1}, [17, 17, 17]),
        (first(iscrowd="1", keypoints=[1]), {"crowd": 1}, [17, 17, 17]),
    ],
)
def test_what_is_mended_or_left_out_is_told(
    written: Set, change: Callable[[Content], None], found: dict[str, int], labels: list[int]
) -> None:
    path = written(change)
    assert findings(path) == found
    assert labelled(path) == labels
    assert not check_set(path, path.parent / "images").refused
    assert len(complete(read_annotations(path, path.parent / "images"))["annotations"]) == 4


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (first(keypoints=[1, 2]), "keypoint count", "annotation 1: expected 51 keypoint numbers, got 2"),
        (first(keypoints=["a"] * 51), "keypoint count", "annotation 1: keypoints that are not numbers"),
        (first(image_id=77), "unknown picture", "annotation 1: an annotation of a picture"),
        (first(image_id={}), "unknown picture", "annotation 1: an annotation of a picture"),
        (first(keypoint_weights=[1]), "weights", "annotation 1: keypoint_weights: expected 17 numbers"),
        (lambda c: c["annotations"].append(3), "format", "an annotation that is not an object, 3"),
        (lambda c: c["images"].append({"id": 1, "file_name": "2.png"}), "format", "two pictures of the id 1"),
        (lambda c: c["images"].append({"file_name": "2.png"}), "format", "a picture without an id"),
        (every("keypoints", lambda v: [x / 640 if i % 3 < 2 else x for i, x in enumerate(v)]), "nobody", "shares 4"),
        (every("keypoints", lambda v: []), "nobody", "no person with 5 or more"),
        (named([f"part {c}" for c in "abcdefghijklmnopq"]), "nobody", "no person with 5 or more"),
        (lambda c: c["images"][0].update(file_name="x.png"), "missing picture", "x.png: picture not found"),
        (lambda c: c["images"][0].pop("file_name"), "missing picture", "picture not found"),
        (lambda c: c["images"][0].update(file_name="/other/2.png"), "ambiguous picture", "is both /other/2.png and 2.png"),
    ],
)
def test_what_training_refuses_is_named_by_check(written: Set, change: Callable[[Content], None], kind: str, says: str) -> None:
    path = written(change)
    with pytest.raises(DataError) as caught:
        people(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    report = check_set(path, path.parent / "images")
    assert kind in report.counts
    assert report.refused


def test_two_pictures_of_one_name_are_told(written: Set) -> None:
    path = written(pictures_called(lambda name: f"/elsewhere/{name}"))
    for folder in ("a", "b"):
        (path.parent / "images" / folder).mkdir()
        (path.parent / "images" / folder / "1.png").write_bytes((path.parent / "images" / "1.png").read_bytes())
    assert len(people(path)) == 4  # all of "1.png" is in the name
    (path.parent / "images" / "1.png").unlink()
    with pytest.raises(DataError, match=r"/elsewhere/1\.png may be .*a/1\.png or .*b/1\.png"):
        people(path)


def test_a_picture_that_nobody_needs_may_be_missing(written: Set) -> None:
    path = written(lambda content: content["images"].append({"id": 50, "file_name": "none.png"}))
    assert findings(path) == {"absent picture": 1}
    assert len(people(path)) == 4


def test_a_recipe_says_how_many_labels_are_enough(written: Set) -> None:
    path = written(every("keypoints", lambda v: v[:9] + [0] * 42))
    assert check_set(path, path.parent / "images").refused
    assert not check_set(path, path.parent / "images", least=1).refused
    assert len(read_coco(path, path.parent / "images", COCO_17, 1)) == 4


def test_people_without_labels_stay_in_whole_pictures(written: Set) -> None:
    path = written(first(keypoints=[0.1, 0.2, 2] * 17))
    pictures = read_pictures(LabelledSet(path, path.parent / "images", "train"), COCO_17)
    assert [len(picture.people) for picture in pictures] == [1] * 4
    assert not pictures[0].people[0].joints[:, 2].any()


def test_a_box_is_drawn_about_the_joints(written: Set) -> None:
    whole = people(written(lambda content: None))[0]
    drawn = people(written(first(bbox=None)))[0]
    xy = whole.joints[:, :2]
    assert np.allclose(drawn.box[:2], xy.min(0) - 0.1 * np.ptp(xy, axis=0), atol=1e-3)
    assert np.allclose(drawn.box[2:], 1.2 * np.ptp(xy, axis=0), atol=1e-3)
