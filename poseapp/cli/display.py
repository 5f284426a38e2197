"""Whether a window can open here, and what to install where it cannot."""

from __future__ import annotations

import os
import sys

from poseapp import resources

# Debian's packages that Qt needs to open a window; .ci/system-packages has them with what is in each.
QT_PACKAGES = (
    "libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 libglib2.0-0 libx11-xcb1 libxcb-cursor0 libxcb-icccm4 libxcb-image0 "
    "libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libxkbcommon-x11-0"
)


def no_window_because() -> str:
    """Why no window can open here; "" when one can."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "There is no screen (DISPLAY is not set)."
    if sys.platform.startswith("linux") and not (os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM")):
        reason = _no_x11_because()
        if reason:
            return reason
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        return f"Qt cannot start ({error}). {install_what_qt_needs()}"
    return ""


def install_what_qt_needs() -> str:
    """What to do where Qt's system libraries are missing."""
    if not resources.installed():
        return "On Debian or Ubuntu `make run` installs what is missing."
    return f"On Debian or Ubuntu run: sudo apt-get install {QT_PACKAGES}"


def _no_x11_because() -> str:
    """Why the X server that DISPLAY names gives no window; "" when it does. Qt itself would abort the whole process."""
    import ctypes

    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return f"Qt cannot start (libxcb.so.1 is missing). {install_what_qt_needs()}"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return f"The screen {os.environ['DISPLAY']} (DISPLAY) cannot be reached." if failed else ""
