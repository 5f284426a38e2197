"""A model on disk: which file holds which precision, whether it is whole, and how its files are made and replaced."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from poseapp import resources
from poseapp.core.errors import ModelError
from poseapp.core.files import atomic_folder, no_empty_folders, only_one, sha256_file
from poseapp.core.spec import ModelSpec, Processor

CARD_FILE = "README.md"  # the model card
ABOUT_FILE = "about.md"  # what people wrote about the model; the card takes it from there


class Described(Protocol):
    """What describes a model: ModelSpec or DetectorSpec. ``FILE`` is the name of its file in the model's folder."""

    FILE: ClassVar[str]

    def to_json(self) -> str:
        """The text of that file."""
        ...


@dataclass(frozen=True)
class ModelFolder:
    """The folder of one model: model.onnx, the same in other precisions, model.json or detector.json, and the card."""

    path: Path

    def spec(self) -> ModelSpec:
        """What model.json says. Raises ModelError."""
        return ModelSpec.read(self.path / ModelSpec.FILE)

    def file(self, variant: str = "fp32") -> Path:
        """Where the graph of *variant* lies: "fp32", or a key of ``ModelSpec.variants`` such as "fp16" and "int8-cpu"."""
        return self.path / ("model.onnx" if variant == "fp32" else f"model.{variant}.onnx")

    def graph(self, spec: ModelSpec, precision: str = "fp32", processor: Processor = "cpu") -> Path:
        """The file of *spec* in *precision* ("fp32", "fp16" or "int8") for *processor*, after its hash was compared.

        Raises ModelError when the model has no such file, or when the file is not the one that *spec* was written for.
        """
        sha256 = graph_sha256(spec, precision, processor)
        path = self.file("fp32" if precision == "fp32" else str(spec.variant(precision, processor)))
        check_hash(path, sha256, ModelSpec.FILE, "export or fetch the model again")
        return path

    def with_variants(self, spec: ModelSpec, *variants: str) -> ModelSpec:
        """*spec* with the hashes of the files of *variants*, which lie in this folder."""
        made = {variant: sha256_file(self.file(variant)) for variant in variants}
        return dataclasses.replace(spec, variants={**spec.variants, **made})

    def write_spec(self, spec: Described) -> None:
        """Write model.json or detector.json."""
        (self.path / spec.FILE).write_text(spec.to_json(), encoding="utf-8")

    def read_card(self) -> str:
        """The text of the model card, "" where there is none."""
        card = self.path / CARD_FILE
        return card.read_text(encoding="utf-8") if card.exists() else ""

    def write_card(self, text: str) -> None:
        """Write the model card."""
        (self.path / CARD_FILE).write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def made_anew(self, replace: bool = True) -> Iterator[ModelFolder]:
        """An empty folder to make the whole model in; it takes the place of this one when the block ends well.

        The text that people wrote about the model, about.md, is kept. When the block fails, the model stays as it was. Raises
        ModelError when the store cannot be written, when a model of this name exists and *replace* is not set, and when
        another process is making a model of this name.
        """
        folder, about = self.path, self.path / ABOUT_FILE
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(no_empty_folders(folder.parent))
                folder.parent.mkdir(parents=True, exist_ok=True)
                if not stack.enter_context(only_one(folder.parent / f".{folder.name}.lock")):
                    raise ModelError(
                        f"{folder}: a model of this name is being made right now. Wait for it, or give another name."
                    )
                if not replace and folder.exists() and any(path.name != ABOUT_FILE for path in folder.iterdir()):
                    raise ModelError(
                        f"{folder}: a model of this name exists already. Give another --name, or replace it with --replace."
                    )
                made = stack.enter_context(atomic_folder(folder))
                if about.is_file():
                    shutil.copy(about, made)
                yield ModelFolder(made)
        except OSError as error:
            raise ModelError(
                f"{folder}: cannot be written ({error.strerror}). Free some space, or use another --engines-dir."
            ) from None

    @contextlib.contextmanager
    def adding(self) -> Iterator[ModelFolder]:
        """An empty folder for new files of the model: when the block ends well they take their places, model.json last.

        When the block fails, the model stays as it was. Raises ModelError when nothing can be written, and when another
        process is doing the same: otherwise the files of one and model.json of the other could stay.
        """
        folder = self.path
        try:
            with only_one(folder / ".making.lock") as alone:
                if not alone:
                    raise ModelError(f"{folder}: another command is changing this model. Wait until it is done, and try again.")
                with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as made:
                    yield ModelFolder(Path(made))
                    for path in sorted(Path(made).iterdir(), key=lambda path: path.name == ModelSpec.FILE):
                        os.replace(path, folder / path.name)
        except OSError as error:
            why = f"{error.filename or folder}: {error.strerror or error}"
            raise ModelError(f"{folder}: nothing is changed ({why}). Free some space, or mend the folder.") from None

    @contextlib.contextmanager
    def editable(self) -> Iterator[ModelFolder]:
        """This folder, or a copy among the user's own models where the model comes with the app.

        From then on the copy hides the bundled model. When the block fails, the copy is removed. Raises ModelError.
        """
        if not resources.is_read_only(self.path):
            yield self
            return
        own = resources.own_engines_dir() / self.path.name
        try:
            own.parent.mkdir(parents=True, exist_ok=True)
            with atomic_folder(own) as made:
                shutil.copytree(self.path, made, dirs_exist_ok=True)
        except OSError as error:
            raise ModelError(
                f"{own}: cannot be written ({error.strerror or error}). Free some space, or mend the folder."
            ) from None
        try:
            yield ModelFolder(own)
        except BaseException:
            shutil.rmtree(own, ignore_errors=True)
            raise


def graph_sha256(spec: ModelSpec, precision: str, processor: Processor) -> str:
    """The hash that ``ModelFolder.graph`` must have; ModelError when the model has no file in *precision*."""
    if precision == "fp32":
        return spec.weights_sha256
    variant = spec.variant(precision, processor)
    if variant is None:
        raise ModelError(missing(spec, precision))
    return spec.variants[variant]


def check_hash(path: Path, expected: str, spec_file: str, remedy: str) -> None:
    """Raise ModelError unless the file at *path* has the SHA-256 *expected* of *spec_file*; *remedy* says what to do."""
    try:
        found = sha256_file(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). {remedy[0].upper()}{remedy[1:]}.") from None
    if found != expected:
        raise ModelError(
            f"{path}: expected SHA-256 {expected[:12]}…, got {found[:12]}…. "
            f"The file is damaged or belongs to another {spec_file}: {remedy}."
        )


def missing(spec: ModelSpec, precision: str) -> str:
    """A line that says that *spec* has no file in *precision* ("fp16" or "int8"), with the command that makes one."""
    pictures = " --images DIR" if precision == "int8" else ""
    return (
        f"{spec.name} has no {precision.upper()} file. "
        f"Make one with: poseapp models convert {spec.name} --precision {precision}{pictures}"
    )
