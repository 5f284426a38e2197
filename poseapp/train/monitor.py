"""What a training leaves to look at: progress.csv, TensorBoard's events and curves.png."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import DataError
from poseapp.core.files import atomic_path
from poseapp.core.types import ImageArray
from poseapp.train.loop import Progress
from poseapp.train.tasks import Score

COLUMNS = ("step", "loss", "lr", "images_per_s")  # then the figures of the recipe's validation
_COLOURS = {"blue": (200, 90, 20), "orange": (20, 120, 240)}


class Monitor:
    """Writes a row of progress.csv and TensorBoard's scalars every *every* steps and at each validation.

    A resumed run goes on in the same files; rows after its first step are from before the break and are dropped.
    """

    def __init__(self, folder: Path, figures: Sequence[str], resumed_at: int = 0, every: int = 50) -> None:
        self.folder, self.figures, self.every = folder, tuple(figures), every
        self._losses: list[float] = []
        rows = read_rows(folder / "progress.csv") if resumed_at else []
        self._rows = [row for row in rows if row["step"] <= resumed_at]
        try:
            self._file = self._begun(folder / "progress.csv")
            self._board = _board(folder, resumed_at)
        except OSError as error:
            raise self._full(error) from None

    def _begun(self, path: Path) -> TextIO:
        """The file at *path*, opened behind the rows that stay. It replaces the old one whole: a full disk costs no row."""
        with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as whole:
            writer = csv.DictWriter(whole, [*COLUMNS, *self.figures])
            writer.writeheader()
            for row in self._rows:
                writer.writerow({key: "" if math.isnan(value) else value for key, value in row.items()})
        file = path.open("a", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(file, [*COLUMNS, *self.figures])
        return file

    def _full(self, error: OSError) -> DataError:
        return DataError(f"{self.folder}: cannot be written ({error.strerror or error}). Free some disk space, then --resume.")

    def add(self, progress: Progress) -> None:
        """Take in one step."""
        self._losses.append(progress.loss)
        result = progress.validation
        if progress.step % self.every and progress.step != progress.steps and result is None:
            return
        row: dict[str, Any] = {
            "step": progress.step,
            "loss": sum(self._losses) / len(self._losses),
            "lr": progress.lr,
            "images_per_s": progress.images_per_s,
            **{name: "" if result is None else result.figures[name] for name in self.figures},
        }
        self._losses.clear()
        try:
            self._csv.writerow(row)
            self._file.flush()
            self._show(row, result)
        except OSError as error:
            raise self._full(error) from None

    def _show(self, row: dict[str, Any], result: Score | None) -> None:
        if self._board is not None:
            for name in [*COLUMNS[1:], *self.figures]:
                if row[name] != "":
                    self._board.add_scalar(name, row[name], row["step"])
            for name, picture in ({} if result is None else result.pictures()).items():
                self._board.add_image(name, picture[:, :, ::-1], row["step"], dataformats="HWC")

    def close(self) -> None:
        """Close the files and draw curves.png. A full disk costs these, but not the error that ended the training."""
        with suppress(OSError):
            self._file.close()
        if self._board is not None:
            with suppress(OSError):
                self._board.close()
        rows = read_rows(self.folder / "progress.csv")
        if rows:
            with suppress(OSError):
                (self.folder / "curves.png").write_bytes(cv2.imencode(".png", curves(rows))[1].tobytes())


def _board(folder: Path, resumed_at: int) -> Any:
    """TensorBoard's writer, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=resumed_at + 1 if resumed_at else None)


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a progress.csv, empty cells as NaN; DataError when it is not one."""
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]
            if rows and not set(COLUMNS) <= rows[0].keys():
                raise ValueError(f"columns {', '.join(rows[0])}")
            return rows
    except (TypeError, AttributeError, ValueError, OSError) as error:
        raise DataError(f"{path}: not a progress file ({error}). Move it away.") from None


def curves(rows: list[dict[str, float]], hw: tuple[int, int] = (720, 960)) -> ImageArray:
    """Loss above (logarithmic), the validation's figures below, against the step; uint8 BGR."""
    h, w = hw
    image = np.full((h, w, 3), 255, np.uint8)
    steps = np.array([row["step"] for row in rows])
    loss = np.log10(np.maximum([row["loss"] for row in rows], 1e-12))
    top = (70, 30, w - 90, h // 2 - 60)
    low, high = float(loss.min()), float(loss.max())
    _axes(image, top, "loss", [(f"{10 ** (low + (high - low) * i / 4):.2g}", i / 4) for i in range(5)], steps)
    _curve(image, top, steps, (loss - low) / max(high - low, 1e-9), (200, 90, 20))
    bottom = (70, h // 2 + 20, w - 90, h // 2 - 70)
    figures = [name for name in rows[0] if name not in COLUMNS][: len(_COLOURS)]
    title = ", ".join(f"{name} ({colour})" for name, colour in zip(figures, _COLOURS, strict=False))
    _axes(image, bottom, title, [(f"{i / 4:g}", i / 4) for i in range(5)], steps)
    for name, colour in zip(figures, _COLOURS.values(), strict=False):
        values = np.array([row[name] for row in rows])
        known = np.isfinite(values)
        _curve(image, bottom, steps[known], values[known], colour, steps)
    return image


def _axes(
    image: ImageArray, area: tuple[int, int, int, int], title: str, ticks: list[tuple[str, float]], steps: NDArray[np.float64]
) -> None:
    x, y, w, h = area
    for text, share in ticks:
        at = round(y + h * (1 - share))
        cv2.line(image, (x, at), (x + w, at), (225, 225, 225), 1)
        cv2.putText(image, text, (6, at + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    cv2.rectangle(image, (x, y), (x + w, y + h), (120, 120, 120), 1)
    cv2.putText(image, title, (x, y - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
    last = f"step {steps[-1]:,.0f}"
    cv2.putText(image, last, (x + w - 90, y + h + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)


def _curve(
    image: ImageArray,
    area: tuple[int, int, int, int],
    steps: NDArray[np.float64],
    shares: NDArray[np.float64],
    colour: tuple[int, int, int],
    span: NDArray[np.float64] | None = None,
) -> None:
    if len(steps) == 0:
        return
    x, y, w, h = area
    reach = float((steps if span is None else span)[-1]) or 1.0
    points = np.stack([x + w * steps / reach, y + h * (1 - np.clip(shares, 0, 1))], axis=1).round().astype(np.int32)
    cv2.polylines(image, [points[:, None]], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
    if span is not None:
        for px, py in points.tolist():
            cv2.circle(image, (px, py), 3, colour, -1, cv2.LINE_AA)
