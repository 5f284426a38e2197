"""Addresses are shown without their secrets, whatever part a camera's maker put them in."""

from __future__ import annotations

import io
import logging

import pytest

from poseapp.core.addresses import CleanFormatter, address_name, holds_secrets, without_secrets

# As makers of cameras, servers and apps write them; what is secret in each is hunter2.
WITH_SECRETS = {
    "rtsp://admin:hunter2@192.168.1.64:554/Streaming/Channels/101": "rtsp://192.168.1.64:554/Streaming/Channels/101",
    "rtsp://admin:hunter2@cam.local/cam/realmonitor?channel=1&subtype=0": "rtsp://cam.local/cam/realmonitor?channel=1&subtype=0",
    "rtsp://192.168.1.10:554/user=admin&password=hunter2&channel=1&stream=0.sdp?": "rtsp://192.168.1.10:554",
    "rtsp://192.168.1.10:554/user=admin_password=hunter2_channel=1_stream=0.sdp": "rtsp://192.168.1.10:554",
    "http://192.168.1.3/axis-cgi/mjpg/video.cgi?user=root&pwd=hunter2": "http://192.168.1.3/axis-cgi/mjpg/video.cgi",
    "http://192.168.1.3/videostream.cgi?loginuse=admin&loginpas=hunter2": "http://192.168.1.3/videostream.cgi",
    "http://10.0.0.2/snapshot.cgi?hunter2": "http://10.0.0.2",
    "rtsp://10.0.0.2/admin/hunter2/ch1": "rtsp://10.0.0.2",
    "rtsps://10.0.0.2:7441/hunter2?enableSrtp": "rtsps://10.0.0.2:7441",
    "rtmp://live.example.com/app/live_123_hunter2": "rtmp://live.example.com",
    "rtmp://cam/bcs/channel0_main.bcs?channel=0&stream=0&user=admin&password=hunter2": "rtmp://cam",
    "https://cdn.example.com/hls/hunter2.m3u8?token=hunter2&expires=1#hunter2": "https://cdn.example.com",
    "srt://host:9000?mode=caller&passphrase=hunter2hunter2": "srt://host:9000",
    "rtsp://hunter2@cam/live": "rtsp://cam/live",
    "rtsp://admin:h@hunter2@cam/stream1": "rtsp://cam/stream1",
    "rtsp://admin:hunter2%2F@[fe80::1%25eth0]:554/h264Preview_01_main": "rtsp://[fe80::1%25eth0]:554/h264Preview_01_main",
    # Passwords that end the host early, for whoever reads the address.
    "rtsp://admin:hunter2/x@cam/stream1": "rtsp://…",
    "rtsp://admin:hunter2#x@cam/stream1": "rtsp://…",
    "rtsp://admin:hunter2?x@cam/stream1": "rtsp://…",
    "rtsp://admin:12345#hunter2@cam/stream1": "rtsp://…",
    "rtsp://cam:554;hunter2/live": "rtsp://…",
    "rtsp://cam/1234567": "rtsp://cam",
    "rtsp://cam/p123/x": "rtsp://cam",
    "admin:hunter2@192.168.1.10/live": "…",
}
HARMLESS = [
    "rtsp://cam.local/stream1",
    "rtsp://192.168.1.10/cam/realmonitor?channel=1&subtype=0",
    "http://192.168.1.5:8080/video",
    "http://cam/axis-cgi/mjpg/video.cgi?resolution=640x480",
    "https://host:8443/live/index.m3u8",
    "rtsp://[::1]:8554/cam",
    "udp://@239.0.0.1:1234",
    "rtsp://cam",
]


@pytest.mark.parametrize("address", WITH_SECRETS)
def test_a_name_has_the_host_and_no_secret(address: str) -> None:
    assert address_name(address) == WITH_SECRETS[address]
    assert holds_secrets(address)


@pytest.mark.parametrize("address", HARMLESS)
def test_an_address_without_secrets_is_its_own_name(address: str) -> None:
    assert address_name(address) == address
    assert not holds_secrets(address)
    assert not holds_secrets(f" {address.replace('rtsp', 'RTSP')} ")


@pytest.mark.parametrize("address", WITH_SECRETS)
def test_no_text_that_goes_out_has_a_secret(address: str) -> None:
    for text in (f"[Errno 5] Input/output error: '{address}'", f"{address}: failed. Try {address}.", f"GET {address} HTTP/1.1"):
        clean = without_secrets(text)
        assert "hunter2" not in clean
        assert "1234567" not in clean
    assert without_secrets(f"[Errno 5] Input/output error: '{address}'").startswith("[Errno 5] Input/output error: ")


@pytest.mark.parametrize(
    "text",
    [
        'GET /video.cgi?user=admin&pwd=hunter2 HTTP/1.1" 200 None',
        "Authorization: Basic hunter2",
        "api_key=hunter2, password: hunter2",
        "cannot open admin:hunter2@cam/live",
    ],
)
def test_secrets_without_an_address_are_found_by_their_names(text: str) -> None:
    assert "hunter2" not in without_secrets(text)


def test_what_holds_no_secret_stays_as_it_is() -> None:
    text = "12:30:01 DEBUG poseapp.live: file:///home/me/clip.mp4: 30 frames, key frames at 1, author: me (Connection refused)."
    assert without_secrets(text) == text


def test_a_log_has_no_secrets_in_its_tracebacks_either() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(CleanFormatter("%(message)s"))
    logger = logging.getLogger("poseapp.tests.addresses")
    logger.addHandler(handler)
    try:
        raise OSError(5, "Input/output error", "rtsp://admin:hunter2@cam/live")
    except OSError:
        logger.exception("reading %s", "rtsp://admin:hunter2@cam/live")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("rtsp://cam/live") == 3  # the message, the line of code and the error
    assert "Traceback" in stream.getvalue()
