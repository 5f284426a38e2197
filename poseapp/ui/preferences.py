"""What the window remembers between two starts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from PySide6.QtCore import QByteArray, QStandardPaths, QTimer

from poseapp import resources
from poseapp.core.addresses import holds_secrets
from poseapp.core.angles import ANGLES
from poseapp.core.errors import OutputError, is_plain
from poseapp.core.repetitions import EXERCISES
from poseapp.core.types import POSE_MODES
from poseapp.engine.backends import device_labels
from poseapp.engine.load import PRECISION_CHOICES
from poseapp.live.outputs import OUTPUTS, parse_output
from poseapp.live.recording import HAND_SIGNS, LONGEST_S, StartStop
from poseapp.live.sources import DEFAULT_MODE, Mode
from poseapp.live.sources.setup import SourceSetup
from poseapp.pipeline.modes import PoseSettings
from poseapp.render import BACKGROUNDS, DrawOptions
from poseapp.review.exports import EXPORTS
from poseapp.review.own_exercises import FILE, OwnExercises
from poseapp.ui.own_keys import assignable, why_not
from poseapp.ui.settings_file import SettingsFile, Value, take_over
from poseapp.ui.source_choice import SourceChoice
from poseapp.ui.theme import THEME_NAMES, ThemeName

LONGEST_SIDE, FASTEST = 8192, 1000.0  # px and frames a second, of a camera
MOST_SETUPS = 50  # of cameras
SAVE_MS = 1000  # after a change: not for every step of a slider
LONGEST_LAYOUT = 1 << 14  # bytes; Qt's are some hundred


class Preferences:
    """Typed access to a file of settings; a value that cannot be read counts as not there.

    Tests pass a file of their own; the app takes the user's. No value is a secret: the address of a camera is left out where
    it may hold a password. ``problem`` is one line where the file could not be read, or "".
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            path = resources.config_dir() / "settings.json"
            take_over(path.with_name("poseapp.conf"), path)
        self._settings = SettingsFile(path)
        self.own_exercises = OwnExercises(path.with_name(FILE))
        self.problem = self._settings.problem
        self._saving = QTimer()
        self._saving.setSingleShot(True)
        self._saving.timeout.connect(self._settings.save)

    def save(self) -> None:
        """Write to disk now."""
        self._saving.stop()
        self._settings.save()

    def _set(self, key: str, value: Value) -> None:
        self._settings.set_value(key, value)
        self._saving.start(SAVE_MS)

    @property
    def geometry(self) -> QByteArray:
        """QWidget.saveGeometry of the window; empty at the first start."""
        return self._bytes("window/geometry")

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._set("window/geometry", bytes(value.data()).hex())

    @property
    def window_state(self) -> QByteArray:
        """QMainWindow.saveState; empty at the first start."""
        return self._bytes("window/state")

    @window_state.setter
    def window_state(self, value: QByteArray) -> None:
        self._set("window/state", bytes(value.data()).hex())

    @property
    def panel_open(self) -> bool:
        """Whether the benchmark panel was open."""
        return self._flag("window/panel")

    @panel_open.setter
    def panel_open(self, value: bool) -> None:
        self._set("window/panel", value)

    @property
    def theme(self) -> ThemeName:
        """The theme chosen."""
        name = self._text("window/theme")
        return cast(ThemeName, name) if name in THEME_NAMES else "system"

    @theme.setter
    def theme(self, value: ThemeName) -> None:
        self._set("window/theme", value)

    @property
    def source(self) -> SourceChoice | None:
        """The source that the user chose last; an address that holds secrets has no value here."""
        return SourceChoice.from_text(self._text("source/choice"))

    @source.setter
    def source(self, value: SourceChoice) -> None:
        secret = value.kind == "address" and holds_secrets(value.value)
        self._set("source/choice", (replace(value, value="") if secret else value).to_text())

    @property
    def mode(self) -> Mode:
        """What a camera is asked for."""
        try:
            width, height, fps = self._text("source/mode").split("x")
            mode = Mode(int(width), int(height), float(fps), DEFAULT_MODE.codec)
        except ValueError:
            return DEFAULT_MODE
        fits = 0 < mode.width <= LONGEST_SIDE and 0 < mode.height <= LONGEST_SIDE and 0 < mode.fps <= FASTEST
        return mode if fits else DEFAULT_MODE

    @mode.setter
    def mode(self, value: Mode) -> None:
        self._set("source/mode", f"{value.width}x{value.height}x{value.fps:g}")

    def setup(self, camera: str) -> SourceSetup:
        """How the picture of *camera* is framed, and what it is asked for; that of the name of an address, too."""
        return self._setups().get(camera, SourceSetup())

    def set_setup(self, camera: str, setup: SourceSetup) -> None:
        """Remember *setup* for *camera*; those of cameras that were not used for long are forgotten."""
        setups = self._setups()
        setups.pop(camera, None)
        if setup != SourceSetup():
            setups[camera] = setup
        kept = list(setups.items())[-MOST_SETUPS:]
        self._set("source/setups", json.dumps({name: one.to_json() for name, one in kept}))

    def _setups(self) -> dict[str, SourceSetup]:
        try:
            content = json.loads(self._text("source/setups") or "{}")
            return {str(name): SourceSetup.from_json(one) for name, one in content.items()}
        except (ValueError, AttributeError, RecursionError):
            return {}

    @property
    def model(self) -> str:
        """The name of the model folder chosen last, or ""."""
        return self._text("model/name")

    @model.setter
    def model(self, value: str) -> None:
        self._set("model/name", value)

    @property
    def device(self) -> str:
        """Where the model runs."""
        value = self._text("model/device")
        return value if value in device_labels() else "auto"

    @device.setter
    def device(self, value: str) -> None:
        self._set("model/device", value)

    @property
    def precision(self) -> str:
        """In which precision the model runs."""
        value = self._text("model/precision")
        return value if value in PRECISION_CHOICES else "auto"

    @precision.setter
    def precision(self, value: str) -> None:
        self._set("model/precision", value)

    @property
    def pose_settings(self) -> PoseSettings:
        """How people are found and smoothed."""
        mode = self._text("people/mode") or self._text("people/way")  # the name of the key in the first versions
        default = PoseSettings()
        smoothing, latency_budget_ms = self._number("people/smoothing"), self._number("people/budget_ms")
        return PoseSettings(
            mode if mode in POSE_MODES else default.mode,
            default.smoothing if smoothing is None else min(max(smoothing, 0.0), 1.0),
            default.latency_budget_ms if latency_budget_ms is None or latency_budget_ms <= 0 else latency_budget_ms,
        )

    @pose_settings.setter
    def pose_settings(self, value: PoseSettings) -> None:
        self._set("people/mode", value.mode)
        self._set("people/smoothing", str(value.smoothing))
        self._set("people/budget_ms", str(value.latency_budget_ms))

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
            angles=self._flag("view/angles"),
            angle_names=self._angle_names(),
            background=next((one for one in BACKGROUNDS if one == self._text("view/background")), "picture"),
            blur_faces=self._flag("view/blur_faces"),
        )

    @draw.setter
    def draw(self, value: DrawOptions) -> None:
        self._set("view/threshold", f"{value.threshold:.2f}")
        self._set("view/labels", value.labels)
        self._set("view/heatmaps", value.heatmaps)
        self._set("view/fields", value.fields)
        self._set("view/mirror", value.mirror)
        self._set("view/angles", value.angles)
        self._set("view/background", value.background)
        self._set("view/blur_faces", value.blur_faces)
        self._set("view/angle_names", " ".join(value.angle_names))

    @property
    def exercise(self) -> str:
        """The name of the exercise whose repetitions are counted, or ""."""
        name = self._text("measure/exercise")
        return name if any(name == one.name for one in (*EXERCISES, *self.own_exercises.all())) else ""

    @exercise.setter
    def exercise(self, value: str) -> None:
        self._set("measure/exercise", value)

    @property
    def shows_confidence(self) -> bool:
        """Whether the sidebar lists the confidence of joints in the place of angles."""
        return self._flag("measure/confidence")

    @shows_confidence.setter
    def shows_confidence(self, value: bool) -> None:
        self._set("measure/confidence", value)

    @property
    def output_addresses(self) -> dict[str, str]:
        """The address of each output, by its kind."""
        addresses = {}
        for kind, known in OUTPUTS.items():
            try:
                address = parse_output(self._text(f"outputs/{kind}") or known.default)
            except OutputError:
                continue
            addresses[kind] = str(address) if address.kind == kind else known.default
        return addresses

    @output_addresses.setter
    def output_addresses(self, value: Mapping[str, str]) -> None:
        for kind, text in value.items():
            self._set(f"outputs/{kind}", text)

    @property
    def outputs_on(self) -> tuple[str, ...]:
        """The kinds of outputs that are on."""
        return tuple(kind for kind in OUTPUTS if kind in self._text("outputs/on").split())

    @outputs_on.setter
    def outputs_on(self, value: tuple[str, ...]) -> None:
        self._set("outputs/on", " ".join(value))

    @property
    def own_keys(self) -> dict[str, str]:
        """The keys that the user has assigned, by the name of the action."""
        keys = {name: self._text(f"keys/{name}") for name in assignable()}
        return {name: key for name, key in keys.items() if key and not why_not(key)}

    @own_keys.setter
    def own_keys(self, value: Mapping[str, str]) -> None:
        for name in assignable():
            self._set(f"keys/{name}", value.get(name, ""))

    @property
    def shows_curves(self) -> bool:
        """Whether the curves of angles are below a recording; they are at first."""
        return self._settings.value("review/curves") is not False

    @shows_curves.setter
    def shows_curves(self, value: bool) -> None:
        self._set("review/curves", value)

    @property
    def export_formats(self) -> tuple[str, ...]:
        """The formats that were exported last; those that are known."""
        wanted = self._text("export/formats").split()
        return tuple(name for name in EXPORTS if name in wanted) or ("csv",)

    @export_formats.setter
    def export_formats(self, value: Sequence[str]) -> None:
        self._set("export/formats", " ".join(value))

    @property
    def folder(self) -> Path:
        """Where recordings and snapshots go."""
        text = self._text("recording/folder")
        if text and is_plain(text):
            return Path(text)
        movies = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MoviesLocation)
        return (Path(movies) if movies else Path.home()) / "poseapp"

    @folder.setter
    def folder(self, value: Path) -> None:
        self._set("recording/folder", str(value))

    @property
    def clean_video(self) -> bool:
        """Whether the video without the skeleton is recorded, too."""
        return self._flag("recording/clean_video")

    @clean_video.setter
    def clean_video(self, value: bool) -> None:
        self._set("recording/clean_video", value)

    @property
    def start_stop(self) -> StartStop:
        """How recordings start and stop by themselves."""
        hand = self._text("recording/hand")
        times = {name: self._number(f"recording/{name}") or 0.0 for name in ("countdown_s", "stop_after_s", "stop_empty_s")}
        times = {name: value if 0 <= value <= LONGEST_S else 0.0 for name, value in times.items()}
        return StartStop(**times, hand=hand if hand in HAND_SIGNS else "off")

    @start_stop.setter
    def start_stop(self, value: StartStop) -> None:
        for name in ("countdown_s", "stop_after_s", "stop_empty_s"):
            self._set(f"recording/{name}", f"{getattr(value, name):g}")
        self._set("recording/hand", value.hand)

    @property
    def microphone(self) -> str:
        """The microphone that recordings listen to, as parse_microphone takes it, or "" for none."""
        return self._text("recording/microphone")

    @microphone.setter
    def microphone(self, value: str) -> None:
        self._set("recording/microphone", value)

    @property
    def beeps(self) -> bool:
        """Whether a recording that starts or stops by itself beeps."""
        return self._settings.value("recording/beeps") is not False

    @beeps.setter
    def beeps(self, value: bool) -> None:
        self._set("recording/beeps", value)

    @property
    def last_folder(self) -> str:
        """Where the last file was opened from."""
        return self._text("source/last_folder")

    @last_folder.setter
    def last_folder(self, value: str) -> None:
        self._set("source/last_folder", value)

    def _angle_names(self) -> tuple[str, ...]:
        """The angles to draw; those that are set and known."""
        if self._settings.value("view/angle_names") is None:
            return DrawOptions().angle_names
        wanted = self._text("view/angle_names").split()
        return tuple(angle.name for angle in ANGLES if angle.name in wanted)

    def _text(self, key: str) -> str:
        value = self._settings.value(key)
        return value if isinstance(value, str) else ""

    def _number(self, key: str) -> float | None:
        try:
            value = float(self._text(key))
        except ValueError:
            return None
        return None if math.isnan(value) else value  # "no limit" is infinite

    def _flag(self, key: str) -> bool:
        return self._settings.value(key) is True

    def _bytes(self, key: str) -> QByteArray:
        """What Qt saved of a layout. Qt checks it itself, but for its size."""
        try:
            content = bytes.fromhex(self._text(key))
        except ValueError:
            return QByteArray()
        return QByteArray(content) if len(content) <= LONGEST_LAYOUT else QByteArray()
