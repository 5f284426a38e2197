"""Exposure, gain, focus and zoom of a camera through OpenCV, as far as its driver has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2

from poseapp.live.sources.v4l2 import Span, read_spans

AUTO: Literal["auto"] = "auto"
Setting = float | Literal["auto"]
"""What a control is set to: a value in the driver's own unit, or that the camera chooses it itself."""


@dataclass(frozen=True, kw_only=True)
class ControlKind:
    """A control as OpenCV knows it; ``automatic`` is the property that hands it to the camera, where there is one."""

    name: str
    label: str
    tip: str
    value: int
    automatic: int | None = None


CONTROLS = (
    ControlKind(
        name="exposure",
        label="Exposure",
        tip="How long each picture is exposed. A short exposure keeps fast movements sharp, but needs light",
        value=cv2.CAP_PROP_EXPOSURE,
        automatic=cv2.CAP_PROP_AUTO_EXPOSURE,
    ),
    ControlKind(name="gain", label="Gain", tip="Makes the picture brighter, and noisier", value=cv2.CAP_PROP_GAIN),
    ControlKind(
        name="focus",
        label="Focus",
        tip="The distance at which the picture is sharp",
        value=cv2.CAP_PROP_FOCUS,
        automatic=cv2.CAP_PROP_AUTOFOCUS,
    ),
    ControlKind(name="zoom", label="Zoom", tip="How much of the scene is in the picture", value=cv2.CAP_PROP_ZOOM),
)
CONTROL_NAMES = tuple(kind.name for kind in CONTROLS)
# What each backend of OpenCV takes for "automatic" and for "by hand"; the first one that the driver accepts counts. Linux: the
# numbers of V4L2_CID_EXPOSURE_AUTO, of which most cameras have 3 (aperture priority) and 1 (manual). Windows' backends have
# used 0.75 and 0.25 in some versions, 1 and 0 in others.
_EXPOSURE_AUTO = {"V4L2": ((3.0, 0.0), (1.0,))}
_ANY_AUTO = ((1.0, 0.75), (0.0, 0.25))


@dataclass(frozen=True, kw_only=True)
class Control:
    """How a control of the camera stands.

    ``requested`` is what was asked for, None where nothing was. ``actual`` is the value that the driver gives;
    ``automatic`` whether the camera chooses it itself, None where it cannot. ``span`` has the values that the driver takes,
    None where it does not say.
    """

    name: str
    requested: Setting | None
    actual: float
    automatic: bool | None
    span: Span | None = None

    @property
    def kind(self) -> ControlKind:
        """What it is."""
        return next(kind for kind in CONTROLS if kind.name == self.name)

    @property
    def is_granted(self) -> bool:
        """Whether the camera does what was asked of it, or nothing was asked."""
        if self.requested is None:
            return True
        if isinstance(self.requested, str):
            return self.automatic is True
        step = self.span.step if self.span is not None else 0.0
        return self.automatic is not True and abs(self.actual - self.requested) <= max(step / 2, 1e-6 * abs(self.actual), 1e-9)

    def sentence(self) -> str:
        """What was asked for, and what the driver says: "asked 400, given 100"."""
        actual = AUTO if self.automatic else f"{self.actual:g}"
        if self.requested is None:
            return actual
        requested = self.requested if isinstance(self.requested, str) else f"{self.requested:g}"
        return f"asked {requested}, given {actual}"


class CameraControls:
    """Reads and sets the controls of one opened camera. Used on the thread that reads the camera.

    *path* is the device file on Linux, which tells the range of each value; "" elsewhere.
    """

    def __init__(self, capture: Any, path: str = "") -> None:
        self._capture = capture
        self._backend = _backend_name(capture)
        self._spans: Mapping[str, Span] | None = read_spans(path) if path else None
        self._found = {kind.name: self._value(kind) for kind in CONTROLS if self._is_there(kind)}

    def apply(self, settings: Mapping[str, Setting]) -> None:
        """Set what the driver has of *settings*. What it refuses stays as it is: ``state`` says so."""
        for kind in CONTROLS:
            setting = settings.get(kind.name)
            if setting is None or kind.name not in self._found:
                continue
            self._set_automatic(kind, setting == AUTO)
            if not isinstance(setting, str):
                self._capture.set(kind.value, setting)

    def reset(self) -> None:
        """Hand over to the camera what it can choose itself; the rest gets the driver's default, or the value found at first."""
        for kind in CONTROLS:
            if kind.name in self._found:
                span = (self._spans or {}).get(kind.name)
                if not self._set_automatic(kind, True):
                    self._capture.set(kind.value, span.default if span is not None else self._found[kind.name])

    def state(self, settings: Mapping[str, Setting]) -> tuple[Control, ...]:
        """All controls that the driver has; *settings* are what was asked."""
        return tuple(
            Control(
                name=kind.name,
                requested=settings.get(kind.name),
                actual=self._value(kind),
                automatic=self._is_automatic(kind),
                span=(self._spans or {}).get(kind.name),
            )
            for kind in CONTROLS
            if kind.name in self._found
        )

    def _is_there(self, kind: ControlKind) -> bool:
        if self._spans is not None:
            return kind.name in self._spans
        # OpenCV says -1 for what a driver lacks, and 0 where the backend has no controls at all.
        return self._value(kind) not in ((-1.0, 0.0) if self._backend in ("", "AVFOUNDATION") else (-1.0,))

    def _value(self, kind: ControlKind) -> float:
        value = float(self._capture.get(kind.value))
        return value if math.isfinite(value) else -1.0

    def _modes(self, kind: ControlKind) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What means "automatic" to the driver, and what "by hand"."""
        return _EXPOSURE_AUTO.get(self._backend, _ANY_AUTO) if kind.name == "exposure" else _ANY_AUTO

    def _is_automatic(self, kind: ControlKind) -> bool | None:
        if kind.automatic is None:
            return None
        value = float(self._capture.get(kind.automatic))
        on, off = self._modes(kind)
        return True if value in on else False if value in off else None

    def _set_automatic(self, kind: ControlKind, on: bool) -> bool:
        """Hand the control to the camera, or take it; False where the driver does not know that."""
        if kind.automatic is None:
            return False
        choices = self._modes(kind)[0 if on else 1]
        return any(self._capture.set(kind.automatic, choice) for choice in choices)


def _backend_name(capture: Any) -> str:
    try:
        return str(capture.getBackendName())
    except cv2.error:  # it has been closed in between
        return ""


def parse_settings(texts: Mapping[str, object]) -> dict[str, Setting]:
    """The settings in *texts*, by name: a number, or "auto". Raises ValueError with one line."""
    settings: dict[str, Setting] = {}
    for name, text in texts.items():
        kind = next((kind for kind in CONTROLS if kind.name == name), None)
        if kind is None:
            raise ValueError(f"camera control: expected one of {', '.join(CONTROL_NAMES)}, got {str(name)[:40]!r}")
        if text == AUTO and kind.automatic is not None:
            settings[name] = AUTO
            continue
        try:
            value = math.nan if isinstance(text, bool) else float(text)  # type: ignore[arg-type]  # anything else raises
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            or_auto = " or auto" if kind.automatic is not None else ""
            raise ValueError(f"{name}: expected a number{or_auto}, got {str(text)[:40]!r}")
        settings[name] = value
    return settings
