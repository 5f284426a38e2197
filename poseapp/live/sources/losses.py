"""How many pictures of a video are missing, so that the numbers of those after them do not close up."""

from __future__ import annotations

from typing import Any

import av

MOST_AWAITED = 600  # packets that wait for their pictures: more than any decoder holds back
LEAST_CUT_S = 0.5  # a file that ends so much earlier than its header says is cut off
SUSPECT_FRAMES = 60  # so long after a damaged one a gap in time is put down to the damage


class Losses:
    """Compares what went into a decoder with what came out; ``count`` is how many pictures are missing.

    A picture is missing when its packet gave none although later ones did, when a whole packet is missing after
    damage that the file or the decoder noticed, and when a file ends before its index or header says. A gap in time alone
    says nothing: screens and phones are recorded at a varying rate.
    """

    def __init__(self, container: Any, stream: Any, period_s: float) -> None:
        self.count = 0
        # AVI has no presentation times, so pictures with B-frames come in another order than their packets' times.
        self._follows = not (container.format.name == "avi" and stream.codec_context.has_b_frames)
        self._indexed = int(stream.frames) if "mov" in container.format.name else 0
        alone = "matroska" in container.format.name and len(container.streams) == 1
        self._length_s = (container.duration or 0) / av.time_base if alone else 0.0  # sound may go on for longer
        self._end_s = 0.0  # until when the packets so far are to be shown
        self._period_s = period_s
        self._awaited: dict[int, int] = {}  # timestamps of packets whose pictures have not come yet → their place in the file
        self._packets = 0
        self._first_key: int | None = None
        self._came_t: float | None = None
        self._counted_before = 0  # by their gap, and perhaps again when their packets turn out to have given nothing
        self._suspect = 0  # frames after the last damage that was noticed

    def sent(self, packet: Any) -> None:
        """A picture should come of *packet*."""
        if packet.size == 0:
            return
        self._packets += 1
        if packet.is_corrupt:
            self._suspect = SUSPECT_FRAMES
        if packet.pts is None:
            return
        self._end_s = max(self._end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.is_discard or not self._follows:
            return
        if self._first_key is None:
            if not packet.is_keyframe:  # a recording that begins in the middle: nothing can come of this one
                return
            self._first_key = packet.pts
        if self._came_t is None and packet.pts < self._first_key:  # may lean on a picture before the first key picture
            return
        self._awaited[packet.pts] = self._packets
        if len(self._awaited) > MOST_AWAITED:
            del self._awaited[next(iter(self._awaited))]
            self.count += 1

    def failed(self) -> None:
        """The decoder could not make anything of a packet."""
        self._suspect = SUSPECT_FRAMES
        if not self._follows:
            self.count += 1

    def came(self, frame: Any, t: float) -> None:
        """*frame*, to be shown at *t* s, came out: pictures come in the order of their times."""
        place = self._awaited.pop(frame.pts, None)
        missing = [] if place is None else [pts for pts, sent in self._awaited.items() if sent < place and pts < frame.pts]
        for pts in missing:
            del self._awaited[pts]
        self._count(len(missing))
        beyond = max(0, self._gap(t) - len(missing))
        self.count += beyond
        self._counted_before += beyond
        self._came_t = t
        self._suspect = SUSPECT_FRAMES if frame.is_corrupt else max(0, self._suspect - 1)

    def _count(self, missing: int) -> None:
        """Count those of whose packets nothing came, unless the gap that they left was counted when it was seen."""
        known = min(missing, self._counted_before)
        self._counted_before -= known
        self.count += missing - known

    def _gap(self, t: float) -> int:
        """How many pictures fit between the one before and *t*, where damage may have swallowed whole packets."""
        if not self._suspect or self._came_t is None:
            return 0
        return max(0, round((t - self._came_t) / self._period_s) - 1)

    def ended(self) -> None:
        """Nothing more comes."""
        cut_s = self._length_s - self._end_s
        cut = round(cut_s / self._period_s) if cut_s > LEAST_CUT_S else 0
        self._count(len(self._awaited) + max(cut, self._indexed - self._packets, 0))
