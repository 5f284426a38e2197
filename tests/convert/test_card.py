"""The model card: the cards of the bundled models are what the builder makes of the same facts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from poseapp.convert.card import About, Commands, card, with_section
from poseapp.engine.detector import DetectorSpec
from poseapp.engine.model_folder import ModelFolder
from poseapp.train.checkpoint import read_network
from poseapp.train.export import write_card
from poseapp.train.export_detector import write_detector_card

COMMANDS = Commands("poseapp train", "poseapp export", "poseapp eval")
MEASURED = ("Figures", "Scores and poses", "INT8", "How it was made")  # of what no test can measure again


def sections(text: str) -> dict[str, str]:
    """The sections of a card by title, with what stands before them under ""."""
    head, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {"": head, **dict(zip(parts[::2], parts[1::2], strict=True))}


@pytest.mark.parametrize("name", ["hourglass-s", "openpose-s", "person-detector"])
def test_a_bundled_card_is_made_again_to_the_letter(repo_root: Path, tmp_path: Path, name: str) -> None:
    bundled = repo_root / "engines" / name
    folder = shutil.copytree(bundled, tmp_path / name)
    about, trained = About.read(bundled / "about.md"), read_network(bundled / "weights.pt")
    if name == "person-detector":
        spec = DetectorSpec.read(bundled / DetectorSpec.FILE)
        write_detector_card(folder, spec, trained, about, None, COMMANDS)
    else:
        write_card(folder, ModelFolder(bundled).spec(), trained, about, None, COMMANDS)
    want, got = (sections((path / "README.md").read_text(encoding="utf-8")) for path in (bundled, folder))
    assert [title for title in want if title in got] == list(got)
    assert set(want) - set(got) <= set(MEASURED)
    for title in got.keys() - set(MEASURED):
        assert got[title] == want[title], title


@pytest.mark.parametrize("name", ["hourglass-l", "hourglass-s", "hourglass-t", "openpose-s"])
def test_a_section_takes_the_place_of_the_older_one(repo_root: Path, name: str) -> None:
    text = (repo_root / "engines" / name / "README.md").read_text(encoding="utf-8")
    body = sections(text)["INT8"].strip()
    assert with_section(text, "INT8", body) == text
    without = text.replace(f"## INT8\n\n{body}\n\n", "")
    assert "INT8\n" not in without
    assert with_section(without, "INT8", body) == text, "before the known limits"


def test_a_section_comes_last_in_a_card_without_limits() -> None:
    text = card("tiny", ["A paragraph."], {"input": "64×48 px"}, {"Figures": "None."})
    assert text == "# tiny\n\nA paragraph.\n\n| | |\n| --- | --- |\n| input | 64×48 px |\n\n## Figures\n\nNone.\n"
    longer = with_section(text, "INT8", "Small.")
    assert longer == f"{text}\n## INT8\n\nSmall.\n"
    assert with_section(longer, "INT8", "Smaller.") == f"{text}\n## INT8\n\nSmaller.\n"
