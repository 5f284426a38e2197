"""What the window remembers between two starts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

from PySide6.QtCore import QByteArray, QSettings, QStandardPaths

from poseapp.core.types import PEOPLE
from poseapp.engine.load import DEVICES, PRECISIONS
from poseapp.live.source import DEFAULT_MODE, Mode
from poseapp.live.ways import Looking
from poseapp.render import DrawOptions
from poseapp.ui.choices import Choice
from poseapp.ui.theme import THEME_NAMES, ThemeName


class Preferences:
    """Typed access to a QSettings; a value that cannot be read counts as not there.

    Tests pass QSettings on a file of their own; the app takes the user's.
    """

    def __init__(self, settings: QSettings | None = None) -> None:
        self._settings = settings if settings is not None else QSettings("poseapp", "poseapp")

    def save(self) -> None:
        """Write to disk now."""
        self._settings.sync()

    @property
    def geometry(self) -> QByteArray:
        """QWidget.saveGeometry of the window; empty at the first start."""
        return self._bytes("window/geometry")

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._settings.setValue("window/geometry", value)

    @property
    def window_state(self) -> QByteArray:
        """QMainWindow.saveState; empty at the first start."""
        return self._bytes("window/state")

    @window_state.setter
    def window_state(self, value: QByteArray) -> None:
        self._settings.setValue("window/state", value)

    @property
    def panel_open(self) -> bool:
        """Whether the benchmark panel was open."""
        return self._flag("window/panel")

    @panel_open.setter
    def panel_open(self, value: bool) -> None:
        self._settings.setValue("window/panel", value)

    @property
    def theme(self) -> ThemeName:
        """The theme chosen."""
        name = self._text("window/theme")
        return cast(ThemeName, name) if name in THEME_NAMES else "system"

    @theme.setter
    def theme(self, value: ThemeName) -> None:
        self._settings.setValue("window/theme", value)

    @property
    def source(self) -> Choice | None:
        """The source that the user chose last."""
        return Choice.from_text(self._text("source/choice"))

    @source.setter
    def source(self, value: Choice) -> None:
        self._settings.setValue("source/choice", value.to_text())

    @property
    def mode(self) -> Mode:
        """What a camera is asked for."""
        try:
            width, height, fps = self._text("source/mode").split("x")
            mode = Mode(int(width), int(height), float(fps), DEFAULT_MODE.codec)
        except ValueError:
            return DEFAULT_MODE
        return mode if mode.width > 0 and mode.height > 0 and mode.fps > 0 else DEFAULT_MODE

    @mode.setter
    def mode(self, value: Mode) -> None:
        self._settings.setValue("source/mode", f"{value.width}x{value.height}x{value.fps:g}")

    @property
    def model(self) -> str:
        """The name of the model folder chosen last, or ""."""
        return self._text("model/name")

    @model.setter
    def model(self, value: str) -> None:
        self._settings.setValue("model/name", value)

    @property
    def device(self) -> str:
        """Where the model runs."""
        value = self._text("model/device")
        return value if value in DEVICES else "auto"

    @device.setter
    def device(self, value: str) -> None:
        self._settings.setValue("model/device", value)

    @property
    def precision(self) -> str:
        """In which precision the model runs."""
        value = self._text("model/precision")
        return value if value in PRECISIONS else "auto"

    @precision.setter
    def precision(self, value: str) -> None:
        self._settings.setValue("model/precision", value)

    @property
    def looking(self) -> Looking:
        """How people are looked for."""
        people, default = self._text("people/way"), Looking()
        smoothing, budget_ms = self._number("people/smoothing"), self._number("people/budget_ms")
        return Looking(
            people if people in PEOPLE else default.people,
            default.smoothing if smoothing is None else min(max(smoothing, 0.0), 1.0),
            default.budget_ms if budget_ms is None or budget_ms <= 0 else budget_ms,
        )

    @looking.setter
    def looking(self, value: Looking) -> None:
        self._settings.setValue("people/way", value.people)
        self._settings.setValue("people/smoothing", str(value.smoothing))
        self._settings.setValue("people/budget_ms", str(value.budget_ms))

    @property
    def draw(self) -> DrawOptions:
        """How poses are shown."""
        try:
            threshold = float(self._text("view/threshold"))
        except ValueError:
            threshold = DrawOptions().threshold
        return DrawOptions(
            threshold=min(max(threshold, 0.0), 1.0) if threshold == threshold else DrawOptions().threshold,
            labels=self._flag("view/labels"),
            heatmaps=self._flag("view/heatmaps"),
            fields=self._flag("view/fields"),
            mirror=self._flag("view/mirror"),
        )

    @draw.setter
    def draw(self, value: DrawOptions) -> None:
        self._settings.setValue("view/threshold", f"{value.threshold:.2f}")
        self._settings.setValue("view/labels", value.labels)
        self._settings.setValue("view/heatmaps", value.heatmaps)
        self._settings.setValue("view/fields", value.fields)
        self._settings.setValue("view/mirror", value.mirror)

    @property
    def folder(self) -> Path:
        """Where recordings and snapshots go."""
        text = self._text("recording/folder")
        if text:
            return Path(text)
        movies = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MoviesLocation)
        return (Path(movies) if movies else Path.home()) / "poseapp"

    @folder.setter
    def folder(self, value: Path) -> None:
        self._settings.setValue("recording/folder", str(value))

    @property
    def clean_video(self) -> bool:
        """Whether the video without the skeleton is recorded, too."""
        return self._flag("recording/clean_video")

    @clean_video.setter
    def clean_video(self, value: bool) -> None:
        self._settings.setValue("recording/clean_video", value)

    @property
    def last_folder(self) -> str:
        """Where the last file was opened from."""
        return self._text("source/last_folder")

    @last_folder.setter
    def last_folder(self, value: str) -> None:
        self._settings.setValue("source/last_folder", value)

    def _text(self, key: str) -> str:
        value = self._settings.value(key, "")
        return value if isinstance(value, str) else ""

    def _number(self, key: str) -> float | None:
        try:
            value = float(self._text(key))
        except ValueError:
            return None
        return None if math.isnan(value) else value

    def _flag(self, key: str) -> bool:
        # An INI file gives "true", the registry and plists give a bool.
        return str(self._settings.value(key, "false")).lower() in ("true", "1")

    def _bytes(self, key: str) -> QByteArray:
        value = self._settings.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()
