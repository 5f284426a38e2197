"""Presets: a camera with its setup, a model, a mode, drawing and outputs under one name; a file each. Needs no Qt.

No file holds a password: the address of a camera that may have one is kept by the system's key store, if at all.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseapp import resources
from poseapp.core.addresses import address_name, holds_secrets
from poseapp.core.angles import ANGLES
from poseapp.core.errors import OutputError, PresetError, is_plain
from poseapp.core.files import atomic_write
from poseapp.core.json_files import read_json
from poseapp.core.types import POSE_MODES
from poseapp.engine.backends import device_labels
from poseapp.engine.load import PRECISION_CHOICES
from poseapp.live.outputs import parse_output
from poseapp.live.sources import DEFAULT_MODE, Mode
from poseapp.live.sources.setup import SourceSetup
from poseapp.pipeline.modes import PoseSettings
from poseapp.render import BACKGROUNDS, DrawOptions
from poseapp.ui import key_store
from poseapp.ui.source_choice import SourceChoice

if TYPE_CHECKING:
    from poseapp.ui.preferences import Preferences

LONGEST_NAME = 60
MOST_OUTPUTS = 20
LONGEST_SIDE, FASTEST = 8192, 1000.0  # px and frames a second, of a camera
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a preset holds. ``source`` None is none; ``mode`` is what a camera is asked for; ``outputs`` are addresses."""

    name: str
    source: SourceChoice | None = None
    setup: SourceSetup = field(default_factory=SourceSetup)
    mode: Mode = DEFAULT_MODE
    model: str = ""
    device: str = "auto"
    precision: str = "auto"
    pose_settings: PoseSettings = field(default_factory=PoseSettings)
    draw: DrawOptions = field(default_factory=DrawOptions)
    clean_video: bool = False
    outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (0 < len(self.name.strip()) <= LONGEST_NAME and is_plain(self.name)):
            raise PresetError(f"preset: expected a name of 1 to {LONGEST_NAME} characters on one line. Give another name.")

    @property
    def summary(self) -> str:
        """What is in it, in a line."""
        camera = self.source.label if self.source is not None else ""
        parts = [
            camera,
            str(self.setup.framing),
            self.model,
            self.pose_settings.mode,
            *(text.partition(":")[0] for text in self.outputs),
        ]
        return " · ".join(part for part in parts if part)

    def apply_to(self, preferences: Preferences) -> None:
        """Make it what was chosen last."""
        preferences.mode = self.mode
        preferences.model, preferences.device, preferences.precision = self.model, self.device, self.precision
        preferences.pose_settings, preferences.draw = self.pose_settings, self.draw
        preferences.clean_video = self.clean_video
        addresses = [parse_output(text) for text in self.outputs]
        preferences.outputs_on = tuple(address.kind for address in addresses)
        preferences.output_addresses = {address.kind: str(address) for address in addresses}
        if self.source is not None:
            preferences.source = self.source
            if self.source.kind in ("camera", "address"):
                preferences.set_setup(self.source.label, self.setup)

    def with_address(self) -> Preset:
        """The same with the address that the key store has for it, where the file has none. May take seconds.

        Raises PresetError where nobody has it.
        """
        source = self.source
        if source is None or source.kind != "address" or source.value:
            return self
        address = key_store.recall(_entry(self.name))
        if not address or address_name(address) != source.label:
            raise PresetError(
                f"{self.name}: the address {source.label} holds a password, which is not kept. Enter the address, and save again."
            )
        return replace(self, source=replace(source, value=address))


class Presets:
    """The presets in *folder*; the user's own where it is None. Every method may take a while: call it off the UI thread."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = resources.config_dir() / "presets" if folder is None else folder

    def all(self) -> tuple[list[Preset], list[str]]:
        """All presets by name, and a line for each file that is none."""
        found, broken = [], []
        for path in sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []:
            try:
                found.append(_read(path))
            except PresetError as error:
                broken.append(str(error))
        return sorted(found, key=lambda preset: preset.name.casefold()), broken

    def named(self, name: str) -> Preset:
        """The preset called *name*, whatever the case of its letters. Raises PresetError."""
        presets, _ = self.all()
        same = [preset for preset in presets if preset.name.casefold() == name.strip().casefold()]
        if not same:
            there = ", ".join(preset.name for preset in presets) or "none is saved yet"
            raise PresetError(f"{name[:LONGEST_NAME]}: no such preset. There are: {there}.")
        return next((preset for preset in same if preset.name == name.strip()), same[0])

    def save(self, preset: Preset) -> None:
        """Write *preset*, in the place of one of its name. Raises PresetError."""
        source = preset.source
        secret = source is not None and source.kind == "address" and holds_secrets(source.value)
        if source is not None and secret:
            key_store.keep(source.value, _entry(preset.name))
            preset = replace(preset, source=replace(source, value="", label=address_name(source.value)))
        text = json.dumps(_to_json(preset), indent=2) + "\n"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_write(self._path(preset.name), text.encode())
        except OSError as error:
            raise PresetError(
                f"{self.folder}: cannot be written ({error.strerror}). Make room, or check its permissions."
            ) from None

    def delete(self, name: str) -> None:
        """Delete the preset called *name*. Raises PresetError."""
        preset = self.named(name)
        paths = [path for path in self.folder.glob("*.json") if _is_called(path, preset.name)]
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise PresetError(
                f"{preset.name}: cannot be deleted ({error.strerror}). Check the permissions of {self.folder}."
            ) from None
        if preset.source is not None and preset.source.kind == "address" and not preset.source.value:
            key_store.forget(_entry(preset.name))

    def _path(self, name: str) -> Path:
        """A file of a readable name that no other preset has."""
        plain = "".join(re.findall(r"[a-z0-9]+", name.casefold().replace(" ", "")))[:24]
        return self.folder / f"{plain or 'preset'}-{hashlib.sha256(name.encode()).hexdigest()[:12]}.json"


def _entry(name: str) -> str:
    return f"preset {name}"


def _is_called(path: Path, name: str) -> bool:
    try:
        return _read(path).name == name
    except PresetError:
        return False


def _to_json(preset: Preset) -> dict[str, Any]:
    content = {one.name: getattr(preset, one.name) for one in fields(preset)}
    settings = asdict(preset.pose_settings)
    settings["latency_budget_ms"] = None if math.isinf(preset.pose_settings.latency_budget_ms) else settings["latency_budget_ms"]
    return content | {
        "schema": _SCHEMA,
        "source": asdict(preset.source) if preset.source is not None else None,
        "setup": preset.setup.to_json(),
        "mode": asdict(preset.mode),
        "pose_settings": settings,
        "draw": asdict(preset.draw),
        "outputs": list(preset.outputs),
    }


def _read(path: Path) -> Preset:
    """The preset in the file at *path*, which may come from anybody. Raises PresetError."""

    def wrong(what: str) -> PresetError:
        return PresetError(f"{path}: {what}. Delete the file, or save the preset again.")

    try:
        content = read_json(path, wrong)
        if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
            raise wrong(f"expected a preset of schema {_SCHEMA}")
        checked = content
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror})") from None
    try:
        return _from_json(checked)
    except (ValueError, TypeError, KeyError, OutputError, PresetError) as error:
        raise wrong(f"is no preset ({str(error)[:200]})") from None


def _from_json(content: Mapping[str, Any]) -> Preset:
    """Raises ValueError, TypeError, KeyError, PresetError or OutputError."""
    source = SourceChoice.from_json(content["source"]) if content.get("source") is not None else None
    if source is not None and source.kind == "address" and holds_secrets(source.value) and source.value:
        raise ValueError("its address may hold a password")
    outputs = content.get("outputs", [])
    if not isinstance(outputs, list) or len(outputs) > MOST_OUTPUTS:
        raise ValueError("outputs: expected a short list")
    return Preset(
        name=_text(content, "name"),
        source=source,
        setup=SourceSetup.from_json(content.get("setup", {})),
        mode=_mode(content.get("mode")),
        model=_text(content, "model"),
        device=_one_of(content, "device", tuple(device_labels())),
        precision=_one_of(content, "precision", tuple(PRECISION_CHOICES)),
        pose_settings=_pose_settings(content["pose_settings"]),
        draw=_draw(content["draw"]),
        clean_video=content.get("clean_video") is True,
        outputs=tuple(str(parse_output(str(text))) for text in outputs),
    )


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content[key]
    if not isinstance(value, str) or not is_plain(value):
        raise ValueError(f"{key}: expected text on one line")
    return value


def _one_of(content: Mapping[str, Any], key: str, known: tuple[str, ...]) -> str:
    value = content.get(key, "auto")
    return value if isinstance(value, str) and value in known else "auto"  # of another machine, perhaps


def _number(value: object, low: float, high: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}")
    return float(value)


def _mode(content: object) -> Mode:
    if not isinstance(content, Mapping):
        raise ValueError("mode: expected an object")
    width, height = (int(_number(content.get(key), 1, LONGEST_SIDE, key)) for key in ("width", "height"))
    return Mode(width, height, _number(content.get("fps"), 0.1, FASTEST, "fps"), DEFAULT_MODE.codec)


def _pose_settings(content: Mapping[str, Any]) -> PoseSettings:
    mode, budget = content["mode"], content.get("latency_budget_ms")
    if mode not in POSE_MODES:
        raise ValueError(f"pose_settings: expected a mode of {', '.join(POSE_MODES)}")
    smoothing = _number(content["smoothing"], 0.0, 1.0, "smoothing")
    return PoseSettings(mode, smoothing, math.inf if budget is None else _number(budget, 1.0, 1e6, "latency_budget_ms"))


def _draw(content: Mapping[str, Any]) -> DrawOptions:
    """What is known of *content*; a version that draws more may have written it."""
    if not isinstance(content, Mapping):
        raise ValueError("draw: expected an object")
    default, given = DrawOptions(), dict[str, Any]()
    for name, value in content.items():
        if isinstance(getattr(default, name, None), bool) and isinstance(value, bool):
            given[name] = value
    names = content.get("angle_names", default.angle_names)
    known = {angle.name for angle in ANGLES}
    given["angle_names"] = tuple(name for name in names if isinstance(name, str) and name in known)
    given["threshold"] = _number(content.get("threshold", default.threshold), 0.0, 1.0, "threshold")
    if content.get("background") in BACKGROUNDS:
        given["background"] = content["background"]
    return DrawOptions(**given)
