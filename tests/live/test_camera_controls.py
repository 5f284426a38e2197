"""Exposure, gain, focus and zoom: what is asked, what the driver does, and the way back."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from fake_camera import AE, AF, GAIN, ZOOM, E, F, FakeDevice, plug_in
from sessions import next_result, running, seen, the_recording

from poseapp.live.sources import CameraSource
from poseapp.live.sources.camera_controls import AUTO, CameraControls, Control, Setting, parse_settings
from poseapp.live.sources.v4l2 import Span, read_spans


def controls_of(camera: CameraSource) -> dict[str, Control]:
    return {control.name: control for control in camera.controls}


def test_only_what_the_driver_has_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, FakeDevice())
    camera = CameraSource(0)
    camera.open()
    found = controls_of(camera)
    assert list(found) == ["exposure", "gain", "focus"]  # and no zoom
    assert (found["exposure"].automatic, found["gain"].automatic) == (True, None)
    assert found["exposure"].requested is None
    assert found["exposure"].is_granted


@pytest.mark.parametrize(("values", "backend"), [({}, "V4L2"), ({}, "AVFOUNDATION")])
def test_a_driver_without_controls_offers_none(values: dict[int, float], backend: str) -> None:
    assert CameraControls(FakeDevice(values, backend)).state({}) == ()


def test_opening_a_camera_sets_nothing_that_was_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice()
    plug_in(monkeypatch, device)
    CameraSource(0).open()
    assert device.sets == []


def test_a_value_by_hand_switches_the_automatic_off_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers refuse a value while the camera chooses it itself."""
    device = FakeDevice()
    plug_in(monkeypatch, device)
    camera = CameraSource(0, settings={"exposure": 80.0, "focus": 5.0})
    camera.open()
    assert (device.values[AE], device.values[E]) == (1.0, 80.0)
    assert (device.values[AF], device.values[F]) == (0.0, 5.0)
    found = controls_of(camera)
    assert (found["exposure"].requested, found["exposure"].actual, found["exposure"].automatic) == (80.0, 80.0, False)
    assert found["exposure"].is_granted


def test_what_the_driver_does_not_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, FakeDevice())
    camera = CameraSource(0, settings={"gain": 400.0, "zoom": 2.0})
    camera.open()
    found = controls_of(camera)
    assert (found["gain"].requested, found["gain"].actual, found["gain"].is_granted) == (400.0, 100.0, False)
    assert "zoom" not in found


def test_a_driver_that_keeps_choosing_has_not_granted_a_value() -> None:
    control = Control(name="exposure", requested=80.0, actual=80.0, automatic=True)
    assert not control.is_granted
    assert not Control(name="focus", requested=AUTO, actual=3.0, automatic=False).is_granted
    assert Control(name="gain", requested=10.4, actual=10.0, automatic=None, span=Span(0, 100, 1, 0)).is_granted


def test_asked_while_it_runs_and_again_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice()
    plug_in(monkeypatch, device)
    camera = CameraSource(0)
    camera.open()
    camera.ask({"exposure": 80.0})
    assert device.values[E] == 156.0, "the camera is told on the thread that reads it"
    camera.read()
    assert device.values[E] == 80.0
    camera.ask({"exposure": AUTO, "gain": 7.0})
    camera.read()
    assert (device.values[AE], device.values[GAIN]) == (3.0, 7.0)
    camera.close()
    device.values |= {AE: 3.0, GAIN: 0.0}  # plugged in anew
    camera.open()
    assert device.values[GAIN] == 7.0


def test_reset_gives_back_what_the_camera_comes_with(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice({E: 156.0, AE: 3.0, GAIN: 12.0, F: 20.0, AF: 1.0, ZOOM: 100.0})
    plug_in(monkeypatch, device)
    camera = CameraSource(0)
    camera.open()
    camera.ask({"exposure": 5.0, "gain": 90.0, "zoom": 300.0, "focus": 0.0})
    camera.read()
    camera.ask_reset()
    camera.read()
    assert device.values == {E: 5.0, AE: 3.0, GAIN: 12.0, F: 0.0, AF: 1.0, ZOOM: 100.0}  # the camera chooses the rest
    assert [control.requested for control in camera.controls] == [None] * 4
    camera.close()
    device.values[GAIN] = 55.0
    camera.open()
    assert device.values[GAIN] == 55.0, "nothing is asked any more"


def test_reset_is_not_forgotten_where_something_is_asked_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice()
    plug_in(monkeypatch, device)
    camera = CameraSource(0, settings={"exposure": 5.0})
    camera.open()
    camera.ask_reset()
    camera.ask({"gain": 3.0})
    camera.read()
    assert (device.values[AE], device.values[GAIN]) == (3.0, 3.0)


@pytest.mark.parametrize(("backend", "on", "off"), [("V4L2", 3.0, 1.0), ("DSHOW", 1.0, 0.0), ("MSMF", 1.0, 0.0)])
def test_automatic_in_the_words_of_each_backend(backend: str, on: float, off: float) -> None:
    device = FakeDevice({E: -6.0, AE: on}, backend)
    controls = CameraControls(device)
    controls.apply({"exposure": -4.0})
    assert device.values[AE] == off
    controls.apply({"exposure": AUTO})
    assert device.values[AE] == on


def test_a_session_says_how_the_camera_stands_and_so_does_its_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plug_in(monkeypatch, FakeDevice())
    with running(CameraSource(0), record=tmp_path) as session:
        next_result(session)
        session.ask_camera({"gain": 400.0})
        status = seen(session, lambda status: any(control.requested == 400.0 for control in status.controls))
        assert not next(control for control in status.controls if control.name == "gain").is_granted
    controls = json.loads((the_recording(tmp_path) / "session.json").read_text())["source"]["controls"]
    gain = next(one for one in controls if one["name"] == "gain")
    assert gain == {"name": "gain", "requested": 400.0, "actual": 100.0, "automatic": None, "span": None}


def test_other_sources_have_nothing_to_ask() -> None:
    from fakes import MarkerSource

    with running(MarkerSource()) as session:
        session.ask_camera({"gain": 1.0})
        session.reset_camera()
        assert session.status().controls == ()


def test_settings_as_they_are_typed() -> None:
    assert parse_settings({"exposure": "-6", "focus": "auto", "gain": 3}) == {"exposure": -6.0, "focus": AUTO, "gain": 3.0}


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"iris": "3"}, "camera control: expected one of exposure, gain, focus, zoom, got 'iris'"),
        ({"gain": "auto"}, "gain: expected a number, got 'auto'"),
        ({"exposure": "dark"}, "exposure: expected a number or auto, got 'dark'"),
        ({"gain": "nan"}, "gain: expected a number, got 'nan'"),
        ({"gain": True}, "gain: expected a number, got 'True'"),
        ({"gain": [1]}, r"gain: expected a number, got '\[1\]'"),
    ],
)
def test_what_is_no_setting_is_refused(texts: dict[str, Setting], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_settings(texts)


def test_the_ranges_of_a_linux_camera(tmp_path: Path) -> None:
    """The layout of the kernel's struct: 68 bytes, and the numbers where it has them."""
    asked = []

    def driver(_descriptor: int, request: int, answer: bytearray) -> int:
        number = struct.unpack_from("=I", answer)[0]
        asked.append((request, number, len(answer)))
        if number == 0x009A0902:  # V4L2_CID_EXPOSURE_ABSOLUTE
            struct.pack_into("=iiiiI", answer, 40, 3, 2047, 1, 250, 0)
            return 0
        if number == 0x009A090D:  # V4L2_CID_ZOOM_ABSOLUTE, switched off in this camera
            struct.pack_into("=iiiiI", answer, 40, 0, 10, 1, 0, 1)
            return 0
        raise OSError(22, "Invalid argument")

    device = tmp_path / "video0"
    device.touch()
    assert read_spans(str(device), driver) == {"exposure": Span(3, 2047, 1, 250)}
    assert {request for request, _, _ in asked} == {0xC0445624}
    assert {size for _, _, size in asked} == {68}
    assert read_spans(str(tmp_path / "none"), driver) is None
