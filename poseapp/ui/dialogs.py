"""The questions that the window asks: which file, which address, which folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget

from poseapp.core.addresses import address_name
from poseapp.core.pictures import PICTURES
from poseapp.live.sources.video import VIDEOS
from poseapp.ui.address_card import AddressCard
from poseapp.ui.source_choice import SourceChoice, SourceKind


def ask_source(parent: QWidget, kind: SourceKind, start: str, address: str = "") -> SourceChoice | None:
    """A video, picture, folder or address, which begins as *address*; None when the user thinks better of it."""
    if kind == "address":
        card = AddressCard(address, parent)
        address = card.address if card.exec() else ""
        card.deleteLater()
        return SourceChoice("address", address, address_name(address)) if address else None
    if kind == "folder":
        path = QFileDialog.getExistingDirectory(parent, "Open folder of pictures", start)
    else:
        pictures = " ".join(f"*{suffix}" for suffix in sorted(PICTURES))
        videos = " ".join(f"*{suffix}" for suffix in VIDEOS)
        wanted = f"Videos ({videos})" if kind == "video" else f"Pictures ({pictures})"
        path, _ = QFileDialog.getOpenFileName(parent, f"Open {kind}", start, f"{wanted};;All files (*)")
    return SourceChoice.file(kind, Path(path)) if path else None


def choice_of(path: Path) -> SourceChoice:
    """What a file or folder dropped onto the window is."""
    kind: SourceKind = "folder" if path.is_dir() else "picture" if path.suffix.lower() in PICTURES else "video"
    return SourceChoice.file(kind, path)


def ask_folder(parent: QWidget, now: Path) -> Path | None:
    """The folder for recordings."""
    path = QFileDialog.getExistingDirectory(parent, "Folder for recordings", str(now))
    return Path(path) if path else None


def ask_delete(parent: QWidget, folder: Path) -> bool:
    """Whether to delete the recording in *folder* for good, as it cannot be moved to the trash."""
    text = f"“{folder.name}” cannot be moved to the trash. Delete it for good?"
    buttons = QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No
    answer = QMessageBox.question(parent, "Discard recording", text, buttons, QMessageBox.StandardButton.No)
    return answer == QMessageBox.StandardButton.Yes


def ask_seconds(parent: QWidget, what: str, now: float, most: float) -> float | None:
    """A time of 1 to *most* s, which begins as *now*; None when the user thinks better of it."""
    seconds, ok = QInputDialog.getInt(parent, what, "Seconds", round(now), 1, round(most))
    return float(seconds) if ok else None


def ask_report(parent: QWidget) -> Path | None:
    """Where to save a benchmark."""
    path, _ = QFileDialog.getSaveFileName(parent, "Save benchmark", str(Path.home() / "poseapp-benchmark.json"), "JSON (*.json)")
    return Path(path) if path else None
