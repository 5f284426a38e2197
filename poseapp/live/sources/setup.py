"""SourceSetup: how the pictures of a source are framed, and what is asked of its controls; remembered for each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from poseapp.core.framing import WHOLE, Framing
from poseapp.live.sources.camera_controls import Setting, parse_settings


@dataclass(frozen=True)
class SourceSetup:
    """How pictures are turned and cropped, and what is asked of the camera's controls, by their names."""

    framing: Framing = WHOLE
    settings: Mapping[str, Setting] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_json(cls, content: object) -> SourceSetup:
        """The setup in *content*, which comes from a file. Raises ValueError."""
        if not isinstance(content, Mapping) or not isinstance(content.get("settings", {}), Mapping):
            raise ValueError("setup: expected an object with framing and settings")
        return cls(Framing.from_json(content.get("framing", {})), parse_settings(content.get("settings", {})))

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return {"framing": {"turn": self.framing.turn, "crop": list(self.framing.crop)}, "settings": dict(self.settings)}

    def framed(self, framing: Framing) -> SourceSetup:
        """The same with *framing*."""
        return replace(self, framing=framing)

    def asking(self, settings: Mapping[str, Setting]) -> SourceSetup:
        """The same, and *settings* are asked, too."""
        return replace(self, settings=MappingProxyType({**self.settings, **settings}))
