"""Damaging files, by a seed: bytes as disks and transfers do it, JSON as other people's programs do it."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

LONG = "huge number of digits"  # stands for what json.dumps would not write
DEEP = "lists in lists"
TWICE = "a key twice"

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, 1e30, -1e300, 1e308, float("nan"), float("inf"), float("-inf"), 2**31, 2**63, 10**18,
    "", " ", "0", "-1", "12.5", "nan", "text", "a/b.jpg", "../../etc/passwd", "C:\\x\\y.jpg", "file:///a/b.png",
    "http://h/1.png?x=1",
    "\0", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "line\nline", "\u202egnp", "\ud800", "[/bold]", "é", "人", "x" * 5000, "%",
    [], {}, [[]], {"": None}, [None] * 51, [0] * 51, [1e30, -1e30], ["1", "2", "3"], {"id": 1}, LONG, DEEP, TWICE,
)  # fmt: skip


def damage_bytes(content: bytes, chance: random.Random) -> bytes:
    """*content* with one to four faults."""
    out = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(out) + 1)
        fault = chance.randrange(8)
        if fault == 0:
            del out[at:]
        elif fault == 1:
            for _ in range(chance.choice((1, 3, 20))):
                if out:
                    out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
        elif fault == 2:
            out[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\1\0\0\0"))
        elif fault == 3:
            out[at : at + chance.choice((1, 16, 512))] = b""
        elif fault == 4:
            out[at:at] = chance.randbytes(chance.choice((1, 8, 200)))
        elif fault == 5:
            begin = chance.randrange(len(out) + 1)
            out[at:at] = out[begin : begin + chance.choice((8, 64, 1000))]
        elif fault == 6:
            size = chance.choice((1, 8, 64))
            out[at : at + size] = bytes(len(out[at : at + size]))
        elif len(out) > 8:
            out[at : at + 8] = chance.choice((2, 14, 1 << 40)).to_bytes(8, "little")
    return bytes(out)


def damage_json(content: Any, chance: random.Random) -> bytes:
    """The JSON text of *content* with one to three values or keys changed; sometimes its bytes are damaged as well."""
    content = copy.deepcopy(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = _changed(content, chance)
    text = json.dumps(content)
    text = text.replace(json.dumps(LONG), "9" * chance.choice((25, 400, 5000)))
    depth = chance.choice((40, 900, 100_000))
    text = text.replace(json.dumps(DEEP), "[" * depth + "]" * depth).replace(json.dumps(TWICE), '{"id": 1, "id": 2}')
    how = chance.randrange(20)
    if how == 0:
        return text.encode("utf-16", "surrogatepass")
    if how == 1:
        return b"\xef\xbb\xbf" + text.encode()
    raw = text.encode()
    return damage_bytes(raw, chance) if how < 5 else raw


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in *value* with every key or index in it."""
    places, waiting = [], [value]
    while waiting:
        parent = waiting.pop()
        for key in list(parent) if isinstance(parent, dict) else range(len(parent)):
            places.append((parent, key))
            if isinstance(parent[key], (dict, list)):
                waiting.append(parent[key])
    return places


def _changed(content: Any, chance: random.Random) -> Any:
    places = _places(content) if isinstance(content, (dict, list)) else []
    if not places or chance.random() < 0.01:
        return chance.choice(HOSTILE)
    # Keypoints are most of a file: the few other values are as likely to be hit.
    named = [place for place in places if isinstance(place[0], dict)]
    parent, key = chance.choice(named if named and chance.random() < 0.7 else places)
    fault = chance.randrange(10)
    if fault == 0:
        del parent[key]
    elif fault == 1 and isinstance(parent, dict):
        parent[chance.choice((key.upper(), key + "s", "", "\x1b[0m"))] = parent.pop(key)
    elif fault == 2:
        other, place = chance.choice(places)
        parent[key] = copy.deepcopy(other[place]) if _fits(other, place) else None
    elif fault == 3 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    elif fault == 4 and isinstance(parent[key], (int, float)):
        parent[key] = chance.choice((str(parent[key]), -parent[key], parent[key] * 1e6, parent[key] / 640))
    else:
        parent[key] = copy.deepcopy(chance.choice(HOSTILE))
    return content


def _fits(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)
