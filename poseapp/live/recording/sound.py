"""What the recorder knows of sound: when it begins and ends, how it is, and that it comes into the videos in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from av.error import FFmpegError

from poseapp.live.recording.folder import RESERVE_BYTES
from poseapp.live.recording.sound_mux import add_sound
from poseapp.live.recording.sound_track import SOUND, SoundState, SoundTrack
from poseapp.live.sound import Microphone

log = logging.getLogger(__name__)


class Sound:
    """The sound of the recording in *folder*; without a *microphone* there is none, and nothing happens.

    Nothing here raises an error or waits for a microphone, but for ``put_into`` and ``drop``: the recorder's thread calls one of
    them when all pictures are written.
    """

    def __init__(self, microphone: Microphone | None, folder: Path, lossless: bool) -> None:
        # What is read as fast as possible has a clock of its own: no sound of now belongs to it.
        self._track = SoundTrack(microphone, folder) if microphone is not None and not lossless else None
        self._path = folder / SOUND

    def begin(self, t: float) -> None:
        """The first picture was taken at *t* s of the monotonic clock."""
        if self._track is not None:
            self._track.begin(t)

    def end(self, t: float) -> None:
        """The recording ends at *t*."""
        if self._track is not None:
            self._track.end(t)

    def status(self) -> SoundState | None:
        """How it is; None without sound."""
        return self._track.status() if self._track is not None else None

    def put_into(self, videos: Iterable[Path], free_bytes: Callable[[Path], int]) -> bool:
        """Put the sound into the *videos* that are there; whether the status has changed.

        Where that fails, the sound stays in its file, and the status says so.
        """
        if self._track is None:
            return False
        if not self._track.join():
            return True
        try:
            for video in videos:
                if not video.exists():
                    continue
                if free_bytes(video.parent) < video.stat().st_size + RESERVE_BYTES:
                    raise OSError(None, "the disk is nearly full")
                add_sound(video, self._path)
            self._path.unlink()
        except (OSError, FFmpegError) as error:
            log.debug("sound stays apart", exc_info=True)
            why = error.strerror or str(error)
            self._track.placed(SOUND, f"The sound could not be put into the videos ({why}). It is in {SOUND}.")
        else:
            self._track.placed("")
        return True

    def drop(self) -> None:
        """Nothing was recorded: let the microphone go."""
        if self._track is not None:
            self._track.join()
