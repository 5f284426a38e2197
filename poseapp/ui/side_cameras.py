"""Further cameras beside the first one: a session and a picture each, recorded with the first one's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from poseapp.core.errors import PoseAppError
from poseapp.live.session import Session
from poseapp.live.sources import Camera
from poseapp.live.status import Status
from poseapp.live.together import TimeOffset, offsets
from poseapp.pipeline.modes import smooth_rule
from poseapp.ui import session_messages
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.session_bridge import FRAME_MS
from poseapp.ui.source_choice import SourceChoice, make_source
from poseapp.ui.source_setups import set_up
from poseapp.ui.video_view import VideoView
from poseapp.ui.view_actions import recorded
from poseapp.ui.widgets import describe, icon_button, label, paint_icon

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

LOOK_MS = 400  # how often offsets and messages are shown anew
MOST = 3  # beside the first one: more pictures than that are too small to be of use
OFFSET_TIP = (
    "How long after the pictures of the first camera those of this one reach the computer, and how much that varies. "
    "How long each camera takes until then is not known without hardware that synchronises them"
)


class SideCamera(QWidget):
    """The picture of one further camera, with its name and how far in time it is from the first camera."""

    def __init__(self, choice: SourceChoice) -> None:
        super().__init__()
        self.choice = choice
        self.session: Session | None = None
        self.view, self.name, self.offset = VideoView(), ElidedLabel(choice.label), label("", "muted")
        describe(self.offset, "Time offset", OFFSET_TIP)
        self.close_button = icon_button("close", f"Close {choice.label}")
        top = QHBoxLayout()
        top.setContentsMargins(12, 4, 6, 4)
        top.addWidget(self.name, 1)
        top.addWidget(self.offset)
        top.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        self.view.setMinimumSize(200, 120)  # four of them beside the controls on a small screen
        self.view.set_message(session_messages.STARTING)

    def look(self) -> None:
        """Show the newest result."""
        result = self.session.take() if self.session is not None else None
        if result is not None:
            self.view.set_message(None)
            self.view.show_result(result)

    def show_status(self, status: Status, offset: TimeOffset | None) -> None:
        """Show what goes on, and how far the pictures are from those of the first camera."""
        self.offset.setText(f"Offset {offset} ms" if offset is not None else "Offset unknown")
        recording = status.recording
        self.view.set_recording(status.source if recording is not None and recording.active else "")
        self.name.set_text(f"{self.choice.label} · {status.message}" if status.message else self.choice.label)


class SideCameras(QObject):
    """The cameras beside the first one of *window*. Each follows its model, its mode, its drawing and its recording."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.cameras: list[SideCamera] = []
        self._frames, self._polls = QTimer(self), QTimer(self)
        self._frames.setTimerType(Qt.TimerType.PreciseTimer)
        self._frames.timeout.connect(self._show_results)
        self._polls.timeout.connect(self.look)
        window.bridge.beside = self.sessions

    def sessions(self) -> list[Session]:
        """Those that run."""
        return [camera.session for camera in self.cameras if camera.session is not None]

    def ask(self) -> None:
        """Offer the cameras that are not shown yet, in a menu over the picture."""
        window, controller = self._window, self._window.controller
        shown = [controller.choice, *(camera.choice for camera in self.cameras)]
        free = [camera for camera in controller.cameras if SourceChoice.camera(camera) not in shown]
        why_not = ""
        if window.bridge.session is None:
            why_not = "Close the recording first: cameras are shown beside the live picture."
        elif len(self.cameras) >= MOST:
            why_not = f"At most {MOST} cameras fit beside the first one. Close one of them."
        elif not free:
            why_not = "There is no further camera. Plug one in, and choose again."
        window.banner.say("beside", why_not, "info")
        if why_not:
            return
        menu = QMenu(window)
        for camera in free:
            menu.addAction(camera.name).triggered.connect(lambda _on=False, camera=camera: self.add(camera))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(window.view.mapToGlobal(window.view.rect().center()))
        menu.setActiveAction(menu.actions()[0])

    def add(self, camera: Camera) -> SideCamera:
        """Show *camera* beside the others."""
        side = SideCamera(SourceChoice.camera(camera))
        self.cameras.append(side)
        self._window.views.addWidget(side, 1)
        side.close_button.clicked.connect(lambda: self.remove(side))
        paint_icon(side.close_button, "close", self._window.themes.current.muted)
        side.view.set_theme(self._window.themes.current)
        self._start(side)
        self._frames.start(FRAME_MS)
        self._polls.start(LOOK_MS)
        return side

    def remove(self, side: SideCamera) -> None:
        """Close *side*; its recording is finished."""
        self.cameras.remove(side)
        self._stop(side)
        side.hide()
        side.deleteLater()
        if not self.cameras:
            self._frames.stop()
            self._polls.stop()
        self._window.view.setFocus()

    def remove_last(self) -> None:
        """Close the camera that was added last."""
        if self.cameras:
            self.remove(self.cameras[-1])

    def look(self) -> None:
        """Bring all in line with the first camera, and show offsets."""
        first = self._window.bridge.session
        if first is None:  # a benchmark runs, or a recording is played
            for side in self.cameras:
                self._stop(side)
                side.hide()
            return
        status = first.status()
        for side in self.cameras:
            side.show()
            if side.session is None:
                self._start(side)
        found = offsets([first, *self.sessions()])
        for side, offset in zip(self.cameras, found[1:], strict=False):
            if side.session is not None:
                self._follow(side, side.session, status)
                side.show_status(side.session.status(), offset)

    def _show_results(self) -> None:
        for camera in self.cameras:
            camera.look()

    def close(self) -> None:
        """Stop all for good; the sessions finish on threads of their own."""
        for side in list(self.cameras):
            self.remove(side)

    def _follow(self, side: SideCamera, session: Session, first: Status) -> None:
        """Bring *session* in line with the first one."""
        request, mine = first.model_request, session.status()
        changed = (request.folder, request.device, request.precision)
        if changed != (mine.model_request.folder, mine.model_request.device, mine.model_request.precision):
            session.set_model(*changed)
        if request.mode != mine.model_request.mode:
            session.set_mode(request.mode)
        settings = self._window.controller.pose_settings
        session.settings.smoothing = smooth_rule(settings.smoothing)
        session.settings.latency_budget_ms = settings.latency_budget_ms
        side.view.set_options(self._window.view.options)
        session.set_draw(recorded(self._window.view.options))
        records = first.recording is not None and first.recording.active
        if mine.recording is not None and mine.recording.active and not records:
            session.stop_recording()

    def _start(self, side: SideCamera) -> None:
        controller, first = self._window.controller, self._window.bridge.session
        if first is None:
            return
        setup = controller.setups.of(side.choice)
        try:
            source = set_up(make_source(side.choice, controller.cameras, self._window.preferences.mode), setup)
        except PoseAppError as error:
            side.name.set_text(str(error))
            return
        side.session = controller.make_session(source, first.status().model_request, framing=setup.framing)
        side.session.start()

    def _stop(self, side: SideCamera) -> None:
        session, side.session = side.session, None
        if session is not None:
            self._window.jobs.run("side camera", session.stop)
