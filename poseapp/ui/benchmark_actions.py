"""What the user does about the benchmark: run it in place of the live view, and save its figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from poseapp.ui import dialogs, session_messages
from poseapp.ui.benchmark_run import BenchmarkRun
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.session_controller import SessionController
from poseapp.ui.window_layout import WindowLayout


class BenchmarkActions:
    """Runs *benchmark* while the session of *controller* waits, and shows it in the panel of *window*.

    *go_on* is called when the benchmark has ended, for the session to start again.
    """

    def __init__(
        self,
        window: WindowLayout,
        benchmark: BenchmarkRun,
        bridge: SessionBridge,
        controller: SessionController,
        go_on: Callable[[], None],
    ) -> None:
        self._window, self._benchmark, self._bridge, self._controller = window, benchmark, bridge, controller
        self._go_on = go_on
        panel = window.panel
        panel.run_asked.connect(self.run)
        panel.cancel_asked.connect(benchmark.cancel)
        panel.save_asked.connect(self._ask_where_to_save)
        benchmark.progress.connect(panel.show_progress)
        benchmark.finished.connect(panel.show_report)
        benchmark.failed.connect(lambda error: window.banner.say("benchmark", error))
        benchmark.ended.connect(self._ended)

    def run(self) -> None:
        """Measure the present model; the live view waits, so that it does not spoil the figures."""
        status, folder, controller = self._bridge.status(), self._controller.folder, self._controller
        if self._benchmark.running or folder is None:
            return
        if status is None:
            self._window.banner.say("benchmark", "Close the recording first: a benchmark measures the live view.", "info")
            return
        if status.recording is not None and status.recording.active:
            self._window.banner.say("benchmark", "Finish the recording first: a benchmark needs the whole machine.", "info")
            return
        self._window.panel.show()
        self._window.panel.show_page("benchmark")
        self._window.panel.show_progress(0.0, "Preparing…")
        self._benchmark.prepare()
        self._window.view.set_message(session_messages.BENCHMARK)
        controller.suspend(lambda: self._benchmark.start(folder, controller.device, controller.precision))

    def save_report(self, path: Path, text: str) -> None:
        """Write a benchmark's JSON to *path*."""
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            problem = f"{path}: cannot be written ({error.strerror}). Choose another place."
            self._window.banner.say("benchmark", problem)

    def _ask_where_to_save(self, text: str) -> None:
        path = dialogs.ask_report(self._window)
        if path is not None:
            self.save_report(path, text)

    def _ended(self) -> None:
        self._window.panel.show_ended()
        self._go_on()
