"""Which output a text names."""

from __future__ import annotations

import pytest

from poseapp.core.errors import OutputError, is_plain
from poseapp.live.outputs import OUTPUTS, parse_output
from poseapp.live.outputs.parse import is_loopback


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_word_alone_is_the_default_and_the_default_names_itself(kind: str) -> None:
    known = OUTPUTS[kind]
    assert str(parse_output(kind)) == known.default == str(parse_output(known.default)) == str(parse_output(f" {kind.upper()} "))
    assert parse_output(kind).options == {name: values[0] for name, values in known.options.items()}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("osc://stage.local", "osc://stage.local:9000"),
        ("osc://192.168.1.20:7000/?unit=px", "osc://192.168.1.20:7000?unit=px"),
        ("osc://127.0.0.1:9000?unit=normalised", "osc://127.0.0.1:9000"),
        ("udp://[::1]:9001", "udp://[::1]:9001"),
        ("ws://:8000", "ws://127.0.0.1:8000"),
        ("lsl://my stage?people=4", "lsl://my%20stage?people=4"),
        ("lsl://B%C3%BChne", "lsl://B%C3%BChne"),
        ("vcam://10", "vcam:///dev/video10"),
        ("vcam:///dev/video10?show=skeleton", "vcam:///dev/video10?show=skeleton"),
        ("vcam://?show=picture", "vcam://?show=picture"),
    ],
)
def test_an_address_is_completed(text: str, same: str) -> None:
    assert str(parse_output(text)) == same
    assert parse_output(same) == parse_output(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected an address"),
        ("ndi://x", "expected an address"),
        ("osc://host:0", "a port from 1 to 65535"),
        ("osc://host:70000", "a port from 1 to 65535"),
        ("osc://host:nine", "a port from 1 to 65535"),
        ("osc://host:9000/path", "a host and a port"),
        ("osc://user:pass@host:9000", "a host and a port"),
        ("osc://[::zz]:9000", "a host and a port"),
        ("osc://[::1", "a host and a port"),
        ("osc://-x:1", "a host and a port"),
        ("osc://a b:1", "a host and a port"),
        ("osc://x:9000?unit=mm", "unit=normalised or px"),
        ("ws://x?token=secret-secret-secret", "expected control"),
        ("udp://x?a=b", "expected nothing"),
        ("lsl://x?people=99", "people=1 to 32"),
        ("lsl://" + "x" * 61, "at most 60 characters"),
        ("lsl://a/b", "expected a name"),
        ("lsl://a%00b", "expected a name"),
        ("vcam:///etc/passwd", "the path of a camera"),
        ("osc://x\n:1", "of one line"),
        ("osc://" + "x" * 400, "of one line"),
    ],
)
def test_what_is_no_address_is_said_in_one_line(text: str, why: str) -> None:
    with pytest.raises(OutputError, match=why) as wrong:
        parse_output(text)
    said = str(wrong.value)
    assert is_plain(said)
    assert len(said) < 400
    assert "secret-secret" not in said
    assert "pass@" not in said


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("LOCALHOST", True), ("0.0.0.0", False), ("::", False)),
        *(("192.168.1.2", False), ("localhost.evil.example", False), ("127.0.0.1.nip.io", False)),
    ],
)
def test_what_is_this_machine_alone(host: str, here: bool) -> None:
    assert is_loopback(host) is here
