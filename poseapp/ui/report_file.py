"""Writes the one-page report of a recording into a file, for the window and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poseapp.core.errors import ExportError
from poseapp.core.files import atomic_write, no_empty_folders
from poseapp.review.exports.base import DEFAULT_FOLDER
from poseapp.review.exports.write import cannot_write
from poseapp.review.report import ReportOptions, make_report
from poseapp.review.saved_recording import SavedRecording
from poseapp.ui.report_page import report_pdf

ENDING = "-report.pdf"


@dataclass(frozen=True)
class WrittenReport:
    """The PDF at ``path``; ``remarks`` has a line for each thing in the recording that is not as it should be."""

    path: Path
    remarks: tuple[str, ...]


def default_path(folder: Path) -> Path:
    """Where the report of the recording in *folder* goes when nobody says otherwise."""
    return folder / DEFAULT_FOLDER / f"{folder.name}{ENDING}"


def write_report(
    folder: Path, path: Path, options: ReportOptions, *, replace: bool = False, instead: str = "give another file with --out"
) -> WrittenReport:
    """Write the report of the recording in *folder* to *path*, whole or not at all. A QGuiApplication must live.

    Any thread may call it. Raises RecordError and ExportError; *instead* is how the user names another file.
    """
    if path.exists() and not replace:
        raise ExportError(f"{path}: is there already. Give --replace, or {instead}.")
    recording = SavedRecording.read(folder)
    content = report_pdf(make_report(recording, options))
    with no_empty_folders(path.parent):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # reports show people
            atomic_write(path, content)
        except OSError as error:
            raise ExportError(cannot_write(path, error, instead)) from None
    return WrittenReport(path, recording.remarks)
