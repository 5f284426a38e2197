"""Themes: readable colours, and following the choice."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from poseapp.ui import icons
from poseapp.ui.colours import CARD, CHIP, DARK, LIGHT, Theme, Veil
from poseapp.ui.theme import Themes, palette


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours (WCAG 2.1, Sec. 1.4.3)."""

    def luminance(name: str) -> float:
        colour = QColor(name)
        shares = ((colour.redF(), 0.2126), (colour.greenF(), 0.7152), (colour.blueF(), 0.0722))
        return sum(weight * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c, weight in shares)

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("colour", ["text", "muted", "danger", "warning"])
@pytest.mark.parametrize("ground", ["window", "surface", "raised"])
def test_text_can_be_read_on_every_surface(theme: Theme, colour: str, ground: str) -> None:
    assert contrast(getattr(theme, colour), getattr(theme, ground)) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_everything_written_can_be_read(theme: Theme) -> None:
    pale = [(text, ground) for text, ground in theme.written() if contrast(text, ground) < 4.5]
    assert not pale


@pytest.mark.parametrize("veil", [CARD, CHIP], ids=["card", "chip"])
def test_what_is_written_over_the_picture_can_be_read_on_a_white_one(veil: Veil) -> None:
    for text in (veil.text, veil.muted):
        assert contrast(text, veil.over_white) >= 4.5
        assert contrast(text, veil.ground) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_ring_of_the_focus_stands_out(theme: Theme) -> None:
    for ground in (theme.window, theme.surface, theme.raised, theme.chosen):
        assert contrast(theme.ring, ground) >= 3.0


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_palette_can_be_read(theme: Theme) -> None:
    roles = QPalette.ColorRole
    pairs = (
        (roles.WindowText, roles.Window),
        (roles.Text, roles.Base),
        (roles.Text, roles.AlternateBase),
        (roles.ButtonText, roles.Button),
        (roles.ToolTipText, roles.ToolTipBase),
        (roles.HighlightedText, roles.Highlight),
        (roles.PlaceholderText, roles.Base),
        (roles.Link, roles.Window),
    )
    colours = palette(theme)
    for text, ground in pairs:
        assert contrast(colours.color(text).name(), colours.color(ground).name()) >= 4.5, (text, ground)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_text_on_the_accent_and_the_body_colours_can_be_seen(theme: Theme) -> None:
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    for colour in (theme.left, theme.right, theme.success, theme.info):
        assert contrast(colour, theme.surface) >= 3.0


def test_a_theme_that_is_chosen_is_used(qapp: QApplication, themes: Themes) -> None:
    seen: list[Theme] = []
    themes.changed.connect(seen.append)
    themes.use("light")
    assert themes.current is LIGHT
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(LIGHT.window)
    themes.use("dark")
    themes.changed.disconnect(seen.append)
    assert seen[-2:] == [LIGHT, DARK]
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(DARK.window)


@pytest.mark.parametrize("name", [*icons.NAMES])
def test_every_icon_is_drawn(qapp: QApplication, name: str) -> None:
    image = icons.pixmap(name, "#ff0000", 24, 1.0).toImage()
    drawn = sum(image.pixelColor(x, y).alpha() > 128 for x in range(24) for y in range(24))
    assert drawn > 20
