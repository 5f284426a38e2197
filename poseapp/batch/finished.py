"""``batch.json`` in the folder of a result: what it was made of and how, so that a batch that is run again can leave it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from poseapp.batch.inputs import Input
from poseapp.batch.method import Method
from poseapp.core.errors import RecordError
from poseapp.core.files import atomic_write
from poseapp.core.json_files import Fields, read_json
from poseapp.live.recording.manifest import MANIFEST

FINISHED = "batch.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is in a result: frames analysed and not readable, seconds of video, people, and what it took.

    ``elapsed_s`` is the time of work, of all pieces together; ``pieces`` is 1 where the video was not cut.
    """

    frames: int
    unreadable: int
    seconds: float
    people: int
    backend: str
    elapsed_s: float
    pieces: int = 1


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A result that is whole: of which file, by which method, with which exports. ``remark`` is one line, or ""."""

    size: int
    modified_ns: int
    method: Mapping[str, Any]
    video: bool
    formats: tuple[str, ...]
    figures: Figures
    remark: str = ""

    @classmethod
    def of(cls, source: Input, method: Method, video: bool, figures: Figures) -> Finished:
        """The result of *source* by *method*, without exports so far."""
        return cls(
            size=source.size, modified_ns=source.modified_ns, method=method.of_result(), video=video, formats=(), figures=figures
        )

    def serves(self, source: Input, method: Method, video: bool) -> bool:
        """Whether it is what a batch would make of *source*: the same file, model and settings, and a *video* if wanted."""
        same_file = (self.size, self.modified_ns) == (source.size, source.modified_ns)
        return same_file and self.method == method.of_result() and (self.video or not video)

    def with_formats(self, formats: tuple[str, ...], remark: str) -> Finished:
        """The same with *formats* added."""
        return replace(self, formats=tuple(dict.fromkeys((*self.formats, *formats))), remark=remark)

    def write(self, folder: Path) -> None:
        """Write it into the *folder* of the result. Raises OSError."""
        content = {"schema": SCHEMA, **asdict(self)}
        atomic_write(folder / FINISHED, (json.dumps(content, indent=2) + "\n").encode())


def read_finished(folder: Path) -> Finished | None:
    """What is finished in *folder*; None where nothing is, or what is there is damaged: it is made anew then."""

    def wrong(what: str) -> RecordError:
        return RecordError(f"{folder / FINISHED}: {what}.")

    try:
        fields = Fields(read_json(folder / FINISHED, wrong), wrong)
        if fields.integer("schema") != SCHEMA or not (folder / MANIFEST).is_file():
            return None
        figures = fields.object("figures")
        return Finished(
            size=fields.integer("size"),
            modified_ns=fields.integer("modified_ns"),
            method=fields.object("method").content,
            video=bool(fields.content.get("video")),
            formats=tuple(str(one) for one in fields.array("formats")),
            figures=Figures(
                frames=figures.integer("frames"),
                unreadable=figures.integer("unreadable"),
                seconds=figures.number("seconds"),
                people=figures.integer("people"),
                backend=figures.text("backend"),
                elapsed_s=figures.number("elapsed_s"),
                pieces=figures.integer("pieces"),
            ),
            remark=fields.text("remark"),
        )
    except (OSError, RecordError):
        return None
