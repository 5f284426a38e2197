"""What the user does about presets: look at them, save what is set now, use one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poseapp.core.errors import PoseAppError
from poseapp.ui.presets import Preset, Presets
from poseapp.ui.presets_page import PresetsPage
from poseapp.ui.screen_fit import open_on_screen

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow


class PresetActions:
    """Reads what is set in *window*, and sets it."""

    def __init__(self, window: MainWindow, presets: Presets | None = None) -> None:
        self._window = window
        self.presets = presets or Presets()

    def open(self) -> None:
        """The page of presets."""
        window = self._window
        page = PresetsPage(self.presets, self.present(), window.jobs, window)
        page.load_asked.connect(self.load)
        open_on_screen(page)

    def present(self, name: str = "Present") -> Preset:
        """What is set now, as a preset called *name*. A source from the command line is no part of it."""
        window, controller = self._window, self._window.controller
        choice, source = controller.choice, controller.source
        given = choice is None or choice.kind == "given"
        return Preset(
            name=name,
            source=None if given else choice,
            setup=controller.setups.of(choice, source) if choice is not None else Preset(name=name).setup,
            mode=window.preferences.mode,
            model=controller.folder.name if controller.folder is not None else "",
            device=controller.device,
            precision=controller.precision,
            pose_settings=controller.pose_settings,
            draw=window.sidebar.view.options,
            clean_video=window.record_bar.clean.isChecked(),
            outputs=window.sidebar.outputs.chosen(),
        )

    def load(self, preset: Preset) -> None:
        """Use *preset*; its address is fetched from the key store where the file has none."""
        window = self._window
        window.jobs.run("preset", preset.with_address, self.use, lambda error: window.banner.say("preset", error))

    def use(self, preset: Preset) -> None:
        """Set all that *preset* has, at once."""
        window, controller = self._window, self._window.controller
        window.banner.take_back("preset")
        preset.apply_to(window.preferences)
        window.sidebar.source.set_mode(preset.mode)
        window.sidebar.set_options(preset.draw)
        window.view_actions.draw_with(preset.draw)
        window.record_bar.clean.set_on(preset.clean_video)
        window.output_actions.use(preset.outputs)
        window.sidebar.pose.show_pose_settings(preset.pose_settings)
        controller.set_pose_settings(preset.pose_settings)
        try:
            controller.use_model(preset.model, preset.device, preset.precision)
        except PoseAppError as error:
            window.banner.say("preset", f"{preset.name}: {error}", "warning")
        if preset.source is not None:
            controller.setups.keep(preset.source, None, preset.setup)
            controller.choose(preset.source)
        else:
            controller.setups.change(lambda _before: preset.setup)
