"""The exceptions that users can meet.

::

    PoseAppError            one line that says what happened and what to do
    ├── SourceError         a camera, file or address cannot be opened or read
    ├── ModelError          a model folder is wrong: spec, hash, graph
    │   └── EngineError     a backend cannot load or run a model that is itself fine
    ├── RecordError         a recording cannot be started or must stop
    ├── DataError           training or evaluation data are wrong
    └── CheckpointError     a checkpoint cannot be read, or does not fit the network

Messages read *who: expected X, got Y. What to do.*
"""


class PoseAppError(Exception):
    """Base of every error that is shown to a user as one line."""


class SourceError(PoseAppError):
    """A camera, file or address cannot be opened or read."""


class ModelError(PoseAppError):
    """A model folder is wrong: its spec, its hash or its graph."""


class EngineError(ModelError):
    """A backend cannot load or run a model that is itself fine."""


class RecordError(PoseAppError):
    """A recording cannot be started, or must stop."""


class DataError(PoseAppError):
    """Training or evaluation data are wrong."""


class CheckpointError(PoseAppError):
    """A checkpoint cannot be read, or does not fit the network."""


def first_line(error: BaseException) -> str:
    """What *error* says in one line of at most 200 characters; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
