"""The model card: the README.md of a model. Training, import and INT8 each write their part of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poseapp.core.errors import DataError

_LAST = "Known limits"  # sections that are added later come before this one


@dataclass(frozen=True)
class About:
    """What only people can say about a model: the sections of a Markdown file, kept beside the model as about.md.

    ``others`` are optional sections, such as "Ablations" and "Speed", by title.
    """

    data: str
    licence: str
    limits: str
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> About:
        """The sections "Data", "Licence" and "Known limits" of *path*, and its others; DataError when one is missing or empty."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}). Write it: sections Data, Licence, Known limits."
            ) from None
        parts = re.split(r"^## +(.+?) *$", text, flags=re.MULTILINE)[1:]
        sections = {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}
        needed = ("Data", "Licence", _LAST)
        missing = [title for title in needed if not sections.get(title)]
        if missing:
            raise DataError(
                f"{path}: no section '## {missing[0]}'. Every model says what it was trained on, and what it cannot do."
            )
        others = {title: body for title, body in sections.items() if title not in needed and body}
        return cls(sections["Data"], sections["Licence"], sections[_LAST], others)

    @classmethod
    def unstated(cls) -> About:
        """For a model that nobody has described yet: the card says what is missing."""
        todo = "Not stated. Write it into about.md beside this file, and export again."
        return cls(todo, todo, todo)

    @property
    def titles(self) -> str:
        """The titles of all sections, in words for a sentence."""
        return f"{', '.join(('Data', 'Licence', *self.others))} and {_LAST}"


@dataclass(frozen=True)
class Commands:
    """The command lines that made a model, ready to be typed again; ``conventions`` says how the model was measured."""

    train: str
    export: str
    evaluate: str
    conventions: str = ""


def card(name: str, intro: Sequence[str], facts: Mapping[str, str], sections: Mapping[str, str]) -> str:
    """The text of a card: title, paragraphs of *intro*, a table of *facts*, and *sections* by title."""
    table_of_facts = "\n".join(["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in facts.items())])
    bodies = (_section(title, body) for title, body in sections.items())
    return "\n\n".join([f"# {name}", *intro, table_of_facts, *bodies]) + "\n"


def trained_card(
    name: str,
    intro: Sequence[str],
    facts: Mapping[str, str],
    about: About,
    measured: Mapping[str, str],
    commands: Commands,
    does: str,
) -> str:
    """The card of a model that was trained here.

    *measured* are the measured sections; the first of them has the figures. *does* says what the export command did besides
    writing the card.
    """
    made = (
        f"```\n{commands.train}\n{commands.export}\n```\n\nThe last command {does} and writes this card; "
        f"it takes the sections {about.titles} from about.md."
    )
    described = {"Data": about.data, "Licence": about.licence}
    return card(name, intro, facts, {**described, **measured, **about.others, _LAST: about.limits, "How it was made": made})


def with_section(text: str, title: str, body: str) -> str:
    """The card *text* with the section *title*: in place of an older one, else before the known limits, else at the end."""
    text = re.sub(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", "", text, flags=re.DOTALL | re.MULTILINE)
    at = text.find(f"## {_LAST}")
    before, after = (text, "") if at < 0 else (text[:at], f"\n{text[at:]}")
    return f"{before.rstrip()}\n\n{_section(title, body)}\n{after}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows))


def first_line(text: str) -> str:
    """The first sentence or line of *text*, without Markdown's marks: what fits into model.json."""
    line = text.strip().splitlines()[0]
    return re.sub(r"[*`]|\b_|_\b|^[-#] *", "", line).strip()


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"
