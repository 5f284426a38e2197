"""The exercises that the user has made, in a file of their own: the window keeps them, the command line knows them, too."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from poseapp import resources
from poseapp.core.angles import ANGLES
from poseapp.core.errors import PoseAppError, RecordError, is_plain
from poseapp.core.files import atomic_write
from poseapp.core.json_files import Fields, read_json
from poseapp.core.repetitions import EXERCISES, Exercise

FILE = "exercises.json"
MOST, LONGEST_NAME = 100, 60
PHASES = ("there", "back")


@dataclass(frozen=True)
class OwnExercises:
    """Those in the file at ``path``, which need not be there. Each call reads it: another window may have changed it."""

    path: Path

    @classmethod
    def of_user(cls) -> OwnExercises:
        """Those of the user who runs the app."""
        return cls(resources.config_dir() / FILE)

    def all(self) -> tuple[Exercise, ...]:
        """All of them by name, in the order in which they were made. A file that is damaged counts as empty."""
        try:
            return self._read()
        except PoseAppError:
            return ()

    def keep(self, exercise: Exercise) -> None:
        """Add *exercise*, in the place of one of its name. Raises RecordError, and nothing has changed then."""
        problem = name_problem(exercise.name)
        if problem:
            raise RecordError(problem)
        others = [one for one in self._read_or_put_aside() if one.name != exercise.name]
        if len(others) >= MOST:
            raise RecordError(f"exercises: expected at most {MOST}. Forget one that you do not need.")
        self._write([*others, exercise])

    def forget(self, name: str) -> None:
        """Remove the one called *name*, if it is there. Raises RecordError where the file cannot be written."""
        known = self._read_or_put_aside()
        if any(one.name == name for one in known):
            self._write([one for one in known if one.name != name])

    # -- inside ------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[Exercise, ...]:
        def wrong(what: str) -> RecordError:
            return RecordError(f"{self.path}: {what}.")

        try:
            content = Fields(read_json(self.path, wrong), wrong)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise wrong(f"cannot be read ({error.strerror})") from None
        found = {}
        for one in content.objects("exercises")[:MOST]:
            made = _exercise(one)
            if made is not None:
                found[made.name] = made
        return tuple(found.values())

    def _read_or_put_aside(self) -> tuple[Exercise, ...]:
        """All of them; a file that is damaged is kept beside the new one."""
        try:
            return self._read()
        except PoseAppError:
            try:
                os.replace(self.path, self.path.with_name(f"{self.path.name}.broken"))
            except OSError as error:
                raise self._cannot(error) from None
            return ()

    def _write(self, exercises: list[Exercise]) -> None:
        entries = [
            {"name": one.name, "angle": one.angles[0], "rest_deg": one.rest_deg, "turn_deg": one.turn_deg} for one in exercises
        ]
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_write(self.path, (json.dumps({"exercises": entries}, indent=2) + "\n").encode())
        except OSError as error:
            raise self._cannot(error) from None

    def _cannot(self, error: OSError) -> RecordError:
        return RecordError(f"{self.path}: cannot be written ({error.strerror}). Make the folder writable, and try again.")


def name_problem(name: str) -> str:
    """Why *name* cannot be that of an exercise of the user's own, and what to do; "" where it can."""
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not is_plain(name):
        return f"exercise: expected a name of at most {LONGEST_NAME} letters. Type another one."
    if any(name.casefold() == one.name.casefold() for one in EXERCISES):
        return f"exercise: {name} is the name of one that comes with the app. Type another one."
    return ""


def option_name(exercise: Exercise) -> str:
    """What the command line calls *exercise*: "sit-to-stand"."""
    return "-".join(exercise.name.lower().split())


def exercises_by_option(own: OwnExercises) -> dict[str, Exercise]:
    """All exercises by what the command line calls them: those of the app, then the user's *own*."""
    return {option_name(one): one for one in (*own.all(), *EXERCISES)}


def _exercise(entry: Fields) -> Exercise | None:
    """The exercise that *entry* describes; None where it describes none that can be counted."""
    try:
        name, angle = entry.text("name"), entry.text("angle")
        rest_deg, turn_deg = entry.number("rest_deg"), entry.number("turn_deg")
        if name_problem(name) or not any(angle == one.name for one in ANGLES):
            return None
        if not all(math.isfinite(value) and abs(value) <= 360 for value in (rest_deg, turn_deg)):
            return None
        return Exercise(name=name, angles=(angle,), rest_deg=rest_deg, turn_deg=turn_deg, phases=PHASES)
    except (PoseAppError, ValueError):
        return None
