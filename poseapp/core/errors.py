"""The exceptions that users can meet.

::

    PoseAppError            one line that says what happened and what to do
    ├── SourceError         a camera, file or address cannot be opened or read
    ├── ModelError          a model folder is wrong: spec, hash, graph
    │   └── EngineError     a backend cannot load or run a model that is itself fine
    ├── RecordError         a recording cannot be started, must stop, or cannot be read
    ├── ExportError         a recording cannot be written in another format
    ├── OutputError         live poses cannot be given to another program
    ├── DataError           training or evaluation data are wrong
    └── CheckpointError     a checkpoint cannot be read, or does not fit the network

Messages read *who: expected X, got Y. What to do.*
"""

from __future__ import annotations

import re

# What may not reach a terminal or a label: control characters, which move the cursor and worse, lone halves of characters,
# further kinds of line ends, and marks that turn the direction of writing.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_plain(text: str) -> bool:
    """Whether *text* is one line without anything that a terminal or a label would obey rather than show."""
    return not _UNPRINTABLE.search(text)


def printable(text: str) -> str:
    """*text* on one line; characters that cannot be shown are written as their numbers."""
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode("ascii"), text)


class PoseAppError(Exception):
    """Base of the errors that a user sees. The message is one line, also where it quotes a name or a text from outside."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class SourceError(PoseAppError):
    """A camera, file or address cannot be opened or read."""


class ModelError(PoseAppError):
    """A model folder is wrong: its spec, its hash or its graph."""


class EngineError(ModelError):
    """A backend cannot load or run a model that is itself fine."""


class SoundError(PoseAppError):
    """A microphone that cannot be used. The recording goes on without sound."""


class RecordError(PoseAppError):
    """A recording cannot be started, must stop, or cannot be read."""


class ExportError(PoseAppError):
    """A recording cannot be written in another format."""


class PresetError(PoseAppError):
    """A preset cannot be read, written or found."""


class OutputError(PoseAppError):
    """Live poses cannot be given to another program."""


class DataError(PoseAppError):
    """Training or evaluation data are wrong."""


class CheckpointError(PoseAppError):
    """A checkpoint cannot be read, or does not fit the network."""


def first_line(error: BaseException) -> str:
    """The message of *error* in one line of at most 200 characters; the name of its class where the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
