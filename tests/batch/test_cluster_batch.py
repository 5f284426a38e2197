"""A batch on real worker processes of dask: one is killed, one is wrong, one video is cut."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from batches import Notes, batch_of, dot_clip, lines, tiny_method, tiny_store
from distributed import Client
from fakes import wait_until

from poseapp.batch.cluster import running_cluster
from poseapp.batch.inputs import find_inputs
from poseapp.batch.job import Job
from poseapp.batch.method import disagreement, version_hashes
from poseapp.batch.run import run_batch
from poseapp.batch.worker import unreadable
from poseapp.core.errors import PoseAppError

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL"),
    # Of distributed and tornado as they end; they are not the app's.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Cluster:
    """A scheduler and workers in processes of their own, without nannies: a worker that is killed stays dead."""

    def __init__(self, folder: Path, workers: int, threads: int = 1) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        place = folder / "scheduler.json"
        self._start("dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(place))
        wait_until(place.is_file, 120)
        with Client(scheduler_file=str(place)) as client:
            self.address = client.scheduler.address
        for _ in range(workers):
            self.add(threads)

    def add(self, threads: int = 1) -> subprocess.Popen[bytes]:
        options = ("--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        return self._start("dask_worker", self.address, *options, "--local-directory", str(self._folder))

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        quiet = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "critical", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([sys.executable, "-m", f"distributed.cli.{program}", *arguments], env=quiet)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster(folder: Path, workers: int, threads: int = 1) -> Iterator[Cluster]:
    one = Cluster(folder, workers, threads)
    try:
        with Client(one.address) as client:
            client.wait_for_workers(workers, timeout=120)
        yield one
    finally:
        one.close()


class Killer(Notes):
    """Kills a process when an input is in the middle of its frames."""

    def __init__(self, victim: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self.victim: subprocess.Popen[bytes] | None = victim

    def went(self, job: Job, done: int, total: int) -> None:
        super().went(job, done, total)
        if self.victim is not None and 0 < done < total:
            os.kill(self.victim.pid, signal.SIGKILL)
            self.victim.wait()
            self.victim = None


@pytest.mark.slow
def test_a_worker_killed_in_mid_file_loses_nothing(tmp_path: Path) -> None:
    store, clips = tiny_store(tmp_path), tmp_path / "in"
    for n in range(6):
        dot_clip(clips / f"{n} ü.mp4", frames=500, hw=(360, 480))
    (clips / "bad.mp4").write_bytes(b"no video")
    method = tiny_method(store)
    run_batch(batch_of([clips], tmp_path / "alone", method), Notes())
    with cluster(tmp_path, 2) as workers:
        killer = Killer(workers.processes[1])
        batch = batch_of([clips], tmp_path / "out", method, scheduler=workers.address, formats=("csv",), piece_s=3.0)
        ended = run_batch(batch, killer)
    assert killer.victim is None, "it was killed while it worked"
    assert [job.source.path.name for job, _ in ended.failed] == ["bad.mp4"]
    for n in range(6):
        assert lines(tmp_path / "out" / f"{n} ü.mp4") == lines(tmp_path / "alone" / f"{n} ü.mp4")
    pieces = {o.finished.figures.pieces for _, o in ended.outcomes if o is not None and o.finished is not None}
    assert pieces == {6}, "long videos are cut"
    assert not list((tmp_path / "out").rglob(".*")), "nothing of the killed one is left"


@pytest.mark.slow
def test_workers_that_cannot_take_part_are_refused_before_the_start(tmp_path: Path) -> None:
    method = tiny_method(tiny_store(tmp_path))
    clip = dot_clip(tmp_path / "clip.mp4", frames=8)
    with cluster(tmp_path, 1) as workers:

        def refused(message: str, **more: object) -> None:
            batch = batch_of([clip], tmp_path / "out", method, scheduler=workers.address)
            options = replace(batch.options, **more)  # type: ignore[arg-type]
            jobs = tuple(replace(job, method=options.method) for job in batch.jobs)
            notes = Notes()
            with pytest.raises(PoseAppError, match=message) as caught:
                run_batch(replace(batch, options=options, jobs=jobs), notes)
            assert "\n" not in str(caught.value)
            assert "tcp://" in str(caught.value), "it says which worker"
            assert notes.begun == []

        refused("other hashes", method=replace(method, hashes=(("model", "0" * 64),)))
        batch = batch_of([clip], tmp_path / "out", method, scheduler=workers.address)
        clip.write_bytes(clip.read_bytes() + b"0")  # what the worker reads is another file
        with pytest.raises(PoseAppError, match="has another file at"):
            run_batch(batch, Notes())
    with cluster(tmp_path / "store", 1, threads=2) as workers, pytest.raises(PoseAppError, match="--nthreads 1"):
        run_batch(batch_of([clip], tmp_path / "out", method, scheduler=workers.address), Notes())


def test_a_scheduler_that_is_not_there_is_one_line() -> None:
    with pytest.raises(PoseAppError, match="no scheduler answers"), running_cluster("tcp://127.0.0.1:1"):
        pass


def test_versions_and_models_are_compared(tmp_path: Path) -> None:
    method = tiny_method(tiny_store(tmp_path))
    here = dict(version_hashes())
    assert disagreement(method, here) == ""
    assert len(here["code"]) == 16
    assert "numpy" in disagreement(method, here | {"numpy": "0.1"})
    assert "code" in disagreement(method, here | {"code": "0" * 16})
    assert "other hashes" in disagreement(replace(method, hashes=()), here)
    assert "not in" in disagreement(replace(method, model="missing"), here)


def test_a_path_that_a_worker_cannot_read_is_one_line(tmp_path: Path) -> None:
    clip = dot_clip(tmp_path / "clip.mp4", frames=3)
    (one,) = find_inputs([str(clip)], tmp_path / "out").inputs
    assert unreadable([one]) == ""
    assert "has another file" in unreadable([replace(one, size=one.size + 1)])
    assert f"cannot read {tmp_path / 'gone.mp4'}" in unreadable([one, replace(one, path=tmp_path / "gone.mp4")])
