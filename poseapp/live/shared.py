"""What the threads of a session share, and what its lock guards."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import Result
from poseapp.live.recording.recordings import Recordings
from poseapp.live.slot import Slot
from poseapp.live.stats import Stats
from poseapp.pipeline.estimator import Point
from poseapp.pipeline.modes import LATENCY_BUDGET_MS


@dataclass(eq=False)
class LiveSettings:
    """What may change between two frames. Any thread may set a field; the model's thread reads each one once a frame.

    ``heatmaps`` asks for heatmaps with each result. ``latency_budget_ms`` is for the poses of all people in a frame, top-down.
    ``smoothing`` steadies the joints; None leaves them as they are found. ``hand_sign`` looks for raised hands.
    """

    heatmaps: bool = False
    latency_budget_ms: float = LATENCY_BUDGET_MS
    smoothing: SmoothRule | None = None
    hand_sign: bool = False


@dataclass(eq=False, kw_only=True)
class Shared:
    """What the threads of a session share.

    ``lock`` is the session's only lock. It is re-entrant, and also a condition on which threads wait for a change. It guards:

    - all attributes of Session, SourceRunner, ModelChanges and ModelThread that change after they are made,
    - ``ModelRunner.engine`` and ``ModelRunner.estimator``: their thread replaces them with the lock held, other threads read them
      with the lock held, and their thread reads them without it. Everything else of a ModelRunner belongs to its thread,
    - the list of Recordings, ``stopped``, ``new_scene_from``, ``rewound_from`` and the clicks.

    Whoever changes what a thread may be waiting for calls ``lock.notify_all``: a model came, or will not come; a load ended; a
    request is not wanted any more; a source was left; the session stops.

    The lock does not guard what is safe by itself: ``stats``, ``results``, the inboxes and a Recorder have locks of their own;
    ``recordings.current`` and each field of ``settings`` are replaced as a whole, so a thread that reads one without the lock
    sees the old value or the new one. Nobody loads, opens, writes, waits for a thread or sleeps while holding the lock.
    """

    realtime: bool
    settings: LiveSettings
    lock: threading.Condition = field(default_factory=threading.Condition)
    stats: Stats = field(default_factory=Stats)
    results: Slot[Result] = field(default_factory=Slot)
    recordings: Recordings = field(default_factory=Recordings)
    stopped: bool = False
    new_scene_from: int = 0  # from this frame on the picture is another one: nobody in it is known
    rewound_from: int = 0  # from this frame on a clip is in a further round: the people of its beginning are there again
    _clicks: list[Point | None] = field(default_factory=list)

    def add_click(self, xy: Point | None) -> None:
        """The user has clicked on the person at *xy*, frame px, or lets go of all."""
        with self.lock:
            self._clicks.append(xy)

    def take_news(self) -> tuple[list[Point | None], int, int]:
        """What the model's thread asks for before each frame: the clicks since the last call, and the two ``…_from``."""
        with self.lock:
            clicks, self._clicks = self._clicks, []
            return clicks, self.new_scene_from, self.rewound_from
