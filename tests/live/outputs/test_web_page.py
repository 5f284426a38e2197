"""The web page in a real browser without a screen, which is driven by its DevTools protocol."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import wait_until
from made_up_poses import HW, TOKEN, made_up, on
from test_websocket_output import clients, free_port
from websockets.sync.client import ClientConnection, connect

from poseapp.live.outputs import Outputs, RemoteCommand
from poseapp.live.recording import RecordingMark

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for found in map(shutil.which, BROWSERS) if found), "")
pytestmark = pytest.mark.skipif(not BROWSER, reason=f"no browser here: none of {', '.join(BROWSERS)}")


class Page:
    """A page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._calls = socket, 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == self._calls:
                return dict(answer["result"])

    def run(self, script: str) -> Any:
        """The value of *script*."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def colour(self, x: float, y: float) -> tuple[int, ...]:
        """Red, green, blue and alpha of the canvas, at x and y of its width and height."""
        place = f"Math.round({x} * canvas.width), Math.round({y} * canvas.height), 1, 1"
        return tuple(self.run(f"[...pen.getImageData({place}).data]"))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--window-size=640,360"]
    place = [f"--user-data-dir={tmp_path}", "--force-device-scale-factor=1", "about:blank"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # A group of its own: the command may be a script that starts the browser, and would leave it behind when it ends.
    browser = subprocess.Popen([BROWSER, *options, *place], **silent, start_new_session=True)  # type: ignore[call-overload]
    try:
        told = tmp_path / "DevToolsActivePort"
        wait_until(lambda: told.exists() and told.read_text().count("\n"), timeout_s=60)
        port = told.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            address = next(one["webSocketDebuggerUrl"] for one in json.load(answer) if one["type"] == "page")
        with connect(address, max_size=None) as socket:
            yield Page(socket)
    finally:
        if hasattr(os, "killpg"):
            os.killpg(browser.pid, signal.SIGKILL)
        else:
            browser.kill()
        browser.wait(30)


def shown(outputs: Outputs, page: Page, people: int) -> None:
    """Wait until the page shows a frame with *people*."""
    words = "1 person" if people == 1 else f"{people} people"

    def look() -> bool:
        result = made_up(people)
        outputs.put(result, result.frame.t)
        return words in str(page.run("text.textContent")) and bool(page.run("drawn"))

    wait_until(look, timeout_s=60)


def test_it_draws_the_skeleton_where_the_joints_are(page: Page) -> None:
    port, one = free_port(), made_up()
    with on(f"ws://127.0.0.1:{port}") as outputs:
        page.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
        wait_until(lambda: clients(outputs, 1), timeout_s=60)
        shown(outputs, page, 1)
        assert page.run("dot.className") == "live"
        for name, colour in (("left_knee", (60, 190, 255)), ("right_wrist", (255, 140, 40)), ("nose", (245, 245, 245))):
            x, y = one.poses.xy[0, one.poses.skeleton.index(name)]
            assert page.colour((x + 0.5) / HW[1], (y + 0.5) / HW[0]) == pytest.approx((*colour, 255), abs=3), name
        assert page.colour(0.02, 0.02)[3] == 0
        shown(outputs, page, 3)


def test_the_page_of_obs_has_no_background_and_can_be_mirrored(page: Page) -> None:
    port, one = free_port(), made_up()
    with on(f"ws://127.0.0.1:{port}") as outputs:
        page.call("Page.navigate", url=f"http://127.0.0.1:{port}/?clear=1&mirror=1")
        wait_until(lambda: clients(outputs, 1), timeout_s=60)
        shown(outputs, page, 1)
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
        assert page.run("getComputedStyle(document.documentElement).backgroundColor") == "rgba(0, 0, 0, 0)"
        assert page.run("getComputedStyle(document.getElementById('bar')).display") == "none"
        x, y = one.poses.xy[0, one.poses.skeleton.index("left_wrist")]
        assert page.colour(1 - (x + 0.5) / HW[1], (y + 0.5) / HW[0])[:3] == pytest.approx((60, 190, 255), abs=3)


def test_joints_of_a_low_score_are_not_drawn(page: Page) -> None:
    port, one = free_port(), made_up()
    score = one.poses.score.copy()
    score[0, one.poses.skeleton.index("nose")] = 0.1
    unsure = replace(one, poses=replace(one.poses, score=score))
    with on(f"ws://127.0.0.1:{port}") as outputs:
        page.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
        wait_until(lambda: clients(outputs, 1), timeout_s=60)
        outputs.put(unsure, unsure.frame.t)
        wait_until(lambda: page.run("line !== null && drawn"), timeout_s=60)
        x, y = one.poses.xy[0, one.poses.skeleton.index("nose")]
        assert page.colour((x + 0.5) / HW[1], (y + 0.5) / HW[0])[3] == 0


def says(page: Page, text: str) -> bool:
    return bool(page.run("record.textContent") == text)


def test_its_button_begins_and_ends_a_recording(page: Page) -> None:
    port = free_port()
    asked: list[RemoteCommand] = []

    def obey(command: RemoteCommand) -> Future[str]:
        asked.append(command)
        outputs.mark(RecordingMark(len(asked) == 1, 0.0, "x"))
        done: Future[str] = Future()
        done.set_result("")
        return done

    with on(f"ws://127.0.0.1:{port}", control=obey) as outputs:
        page.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
        wait_until(
            lambda: page.run("document.readyState === 'complete' && !document.getElementById('record').hidden"), timeout_s=60
        )
        for text in ("Finish recording", "Record"):
            page.run("record.click()")
            wait_until(functools.partial(says, page, text), timeout_s=60)
    assert [command.do for command in asked] == ["toggle", "toggle"]


def test_it_connects_with_the_token_alone_and_again_when_the_app_is_back(page: Page) -> None:
    port = free_port()
    with on(f"ws://0.0.0.0:{port}") as outputs:
        page.call("Page.navigate", url=f"http://127.0.0.1:{port}/#token=wrong-wrong-wrong-wrong")
        wait_until(lambda: page.run("document.getElementById('dot')?.className === 'failed'"), timeout_s=60)
        page.call("Page.navigate", url="about:blank")
        page.call("Page.navigate", url=f"http://127.0.0.1:{port}/#token={TOKEN}")
        wait_until(lambda: clients(outputs, 1), timeout_s=60)
    wait_until(lambda: page.run("document.getElementById('dot')?.className === 'failed'"), timeout_s=60)
    with on(f"ws://0.0.0.0:{port}") as outputs:
        wait_until(lambda: clients(outputs, 1), timeout_s=60)


def test_a_page_of_somebody_else_in_the_browser_gets_nothing(page: Page) -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}") as outputs:
        page.call("Page.navigate", url="data:text/html,<p>somebody else")
        page.run(f"s = new WebSocket('ws://127.0.0.1:{port}/ws'); end = ''")
        page.run("s.onclose = e => end = 'closed'; s.onopen = e => end = 'open'; 0")
        wait_until(lambda: page.run("end"), timeout_s=60)
        assert page.run("end") == "closed"
        assert clients(outputs, 0)
