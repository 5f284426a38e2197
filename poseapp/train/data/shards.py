"""Pictures in tar shards (WebDataset layout), read from end to end, so that a set larger than one disk streams."""

from __future__ import annotations

import dataclasses
import tarfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from poseapp.core.errors import DataError
from poseapp.core.json_files import Fields, parse_json
from poseapp.core.pictures import PICTURES
from poseapp.core.skeleton import Skeleton
from poseapp.train.data.annotations import Person, decode_image, person_of, usable
from poseapp.train.data.coco import parse_annotations, read_annotations
from poseapp.train.data.crop_dataset import CropDataset
from poseapp.train.data.order import Loading
from poseapp.train.data.targets import Target
from poseapp.train.recipes import Recipe

BUFFER = 1000  # people that wait, as compressed pictures, to be drawn from at random
LARGEST_MEMBER = 1 << 28  # bytes: what is larger is no picture, nor its labels


@dataclass(frozen=True, eq=False)
class Shards:
    """Tar files, by path or http(s) address, with ``KEY.jpg`` members.

    Labels come from one COCO-format file (*by_picture*: people by picture's name), or where that is None from
    ``KEY.json`` members of the form ``{"annotations": [COCO annotations], "keypoints": [joint names]}``.
    """

    paths: tuple[str, ...]
    skeleton: Skeleton
    min_joints: int
    people: int
    by_picture: Mapping[str, Sequence[Person]] | None = None

    def __len__(self) -> int:
        return self.people

    @classmethod
    def open(cls, paths: Sequence[str], skeleton: Skeleton, min_joints: int, annotations: Path | None = None) -> Shards:
        """The shards at *paths*. Without *annotations* one pass over all of them counts the people.

        Raises DataError on a shard that cannot be read or people without pictures.
        """
        if annotations is None:
            uncounted = cls(tuple(paths), skeleton, min_joints, 0)
            people = sum(1 for path in paths for _ in uncounted.read(path))
            by_picture = None
        else:
            by_picture = _people_by_picture(annotations, skeleton, min_joints)
            people = sum(map(len, by_picture.values()))
        if people == 0:
            raise DataError(f"{paths[0] if paths else 'shards'}: expected labelled people, found none. Check the annotations.")
        return cls(tuple(paths), skeleton, min_joints, people, by_picture)

    def read(self, path: str) -> Iterator[tuple[Person, bytes]]:
        """Each labelled person of one shard with the bytes of the picture, in the shard's order."""
        picture: tuple[str, bytes] = ("", b"")
        for name, content in _members(path):
            key, suffix = str(PurePosixPath(name).with_suffix("")), PurePosixPath(name).suffix.lower()
            if suffix in PICTURES:
                picture = (key, content)
                if self.by_picture is not None:
                    for person in self.by_picture.get(PurePosixPath(name).name, ()):
                        yield person, content
            elif suffix == ".json" and self.by_picture is None:
                if picture[0] != key:
                    raise DataError(f"{path}: {name} does not follow its picture. Write KEY.jpg, then KEY.json.")
                for person in self._labels(content, f"{path}: {name}"):
                    yield person, picture[1]

    def _labels(self, content: bytes, where: str) -> list[Person]:
        """The people in the labels of one picture."""

        def wrong(what: str) -> DataError:
            return DataError(f'{where}: expected {{"annotations": […]}}: {what}.')

        labels = Fields(parse_json(content, wrong, any_encoding=True), wrong)
        here = {"image_id": 1, "category_id": 1}
        entries = [{**entry, **here} if isinstance(entry, dict) else entry for entry in labels.array("annotations")]
        category = {"id": 1, "name": "person", "keypoints": labels.content.get("keypoints")}
        of_picture = {"images": [{"id": 1, "file_name": where}], "annotations": entries, "categories": [category]}
        people = []
        for entry in parse_annotations(of_picture, where, None).require().people:
            person = dataclasses.replace(person_of(entry, self.skeleton), path=Path(where))
            if usable(person, entry.crowd, self.min_joints):
                people.append(person)
        return people


def _people_by_picture(annotations: Path, skeleton: Skeleton, min_joints: int) -> dict[str, list[Person]]:
    out: dict[str, list[Person]] = {}
    for entry in read_annotations(annotations, None).require().people:
        person = person_of(entry, skeleton)
        if usable(person, entry.crowd, min_joints):
            out.setdefault(person.path.name, []).append(person)
    return out


def _members(path: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a tar, in order, without seeking."""
    try:
        with _opened(path) as source, tarfile.open(fileobj=source, mode="r|*") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                if member.size > LARGEST_MEMBER:
                    raise DataError(f"{path}: {member.name[:60]} has {member.size / 2**20:,.0f} MiB. Write the shard again.")
                file = tar.extractfile(member)
                if file is not None:
                    yield member.name, file.read()
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read as a tar ({error}). Fetch or write it again.") from None
    except Exception:  # noqa: BLE001 - what a damaged tar raises depends on where it is damaged, and on its compression
        raise DataError(f"{path}: cannot be read as a tar (damaged or cut short). Fetch or write it again.") from None


def _opened(path: str) -> IO[bytes]:
    if path.startswith(("http://", "https://")):
        return cast("IO[bytes]", urllib.request.urlopen(path))
    return Path(path).open("rb")


class ShardDataset(IterableDataset[tuple[Any, ...] | DataError]):
    """The batches of the steps of *loading*, from shards shuffled among each other and people shuffled in a buffer.

    Each comes with what is wrong with its pictures, N texts, "" for nothing.
    Each loading process of each process reads its own shards, over and over. What it gives depends on the seed,
    on how many such readers there are, and on how far it is: a resumed run reads up to its place, without decoding, and
    goes on with the same samples.
    """

    def __init__(self, shards: Shards, recipe: Recipe, target: Target, loading: Loading) -> None:
        # Of the recipe what is needed: all of it, with its network, does not fit through to a loading process.
        self.batch, self.accumulate, self.seed = recipe.batch, recipe.accumulate, recipe.seed
        self.shards, self.loading = shards, loading
        self.samples = CropDataset((), recipe.skeleton, target, recipe.augment, recipe.seed)

    def __iter__(self) -> Iterator[tuple[Any, ...] | DataError]:
        """The batches; an error comes as the last of them, for raised in a loader process it would bring its traceback along."""
        try:
            yield from self._batches()
        except DataError as error:
            yield error

    def _batches(self) -> Iterator[tuple[Any, ...]]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        rank, world = self.loading.rank, self.loading.world
        first, end = (step * self.accumulate for step in (self.loading.steps.start, self.loading.steps.stop))
        # Batches come from the workers in turn, beginning with worker 0 wherever the run begins.
        turn = (first + worker) % workers
        done = len(range(turn, first, workers))
        drawn = self._drawn(rank * workers + turn, world * workers)
        batch = self.batch
        for _ in range(done * batch):
            next(drawn)
        for number in range(done, len(range(turn, end, workers))):
            samples, faults = [], []
            for i in range(number * batch, (number + 1) * batch):
                person, content = next(drawn)
                random = np.random.default_rng((self.seed, rank * workers + turn, i))
                try:
                    samples.append(self.samples.sample(person, decode_image(content, str(person.path)), random))
                    faults.append("")
                except DataError as error:
                    samples.append(self.samples.placeholder())
                    faults.append(str(error))
            yield *(torch.stack(parts) for parts in zip(*samples, strict=True)), faults

    def _drawn(self, reader: int, readers: int) -> Iterator[tuple[Person, bytes]]:
        """People for ever, drawn at random from a buffer that the reader's shards keep filled."""
        if len(self.shards.paths) < readers:
            raise DataError(
                f"shards: expected at least {readers} (one a reader), got {len(self.shards.paths)}. Use fewer workers."
            )
        random = np.random.default_rng((self.seed, reader))
        buffer: list[tuple[Person, bytes]] = []
        for entry in self._passes(reader, readers):
            if len(buffer) < min(BUFFER, self.shards.people // readers):
                buffer.append(entry)
                continue
            i = int(random.integers(len(buffer)))
            yield buffer[i]
            buffer[i] = entry

    def _passes(self, reader: int, readers: int) -> Iterator[tuple[Person, bytes]]:
        epoch = 0
        while True:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.shards.paths))
            empty = True
            for i in order[reader::readers]:
                for entry in self.shards.read(self.shards.paths[i]):
                    empty = False
                    yield entry
            if empty and epoch > 2:
                raise DataError("shards: a reader finds no labelled people. Check that the annotations belong to the shards.")
            epoch += 1
