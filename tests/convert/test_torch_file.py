"""Files of torch read without torch: the same numbers as torch reads, nothing run, and no file takes more than its own size."""

from __future__ import annotations

import argparse
import io
import pickle
import struct
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from poseapp.convert.checkpoints import read_content, read_state
from poseapp.core.errors import CheckpointError

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8]


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def zipped(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def saved(content: object, path: Path, zipped: bool) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_state(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert len(text) < 500
    return text


@pytest.mark.parametrize("dtype", [*DTYPES, torch.uint8, torch.bool])
def test_numbers_are_those_that_torch_reads(dtype: torch.dtype, zipped: bool, tmp_path: Path) -> None:
    base = torch.randn(6, 8, 3, generator=torch.Generator().manual_seed(0)).mul(100).abs().to(dtype)
    views = {
        "whole": base, "turned": base.permute(2, 0, 1), "part": base[1:4, ::3], "one": base[2, 3, 1], "none": base[:0],
        "again": base, "parameter": nn.Parameter(base, requires_grad=False),
    }  # fmt: skip
    path = saved({"state_dict": OrderedDict((f"a.{name}", value) for name, value in views.items())}, tmp_path / "a.pth", zipped)
    found = read_state(path)
    assert found.keys() == {f"a.{name}" for name in views}
    for name, trusted in torch.load(path, weights_only=True)["state_dict"].items():
        same = trusted.detach().float() if dtype == torch.bfloat16 else trusted.detach()
        assert found[name].dtype == same.numpy().dtype
        assert np.array_equal(found[name], same.numpy()), name
        assert found[name].shape == tuple(trusted.shape)


def test_numbers_of_kinds_that_have_no_storage_of_their_own(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.arange(6).reshape(2, 3).to(torch.uint16)[:, 1:]}, tmp_path / "a.pth")
    found = read_state(tmp_path / "a.pth")["a.weight"]
    assert found.dtype == np.uint16
    assert found.tolist() == [[1, 2], [4, 5]]


def test_a_checkpoint_of_a_training_is_read_whole(zipped: bool, tmp_path: Path) -> None:
    net = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    content: dict[str, Any] = {
        "net": net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": 3,
        "best": 0.5,
        "command": "a\u00e9",
        "n": None,
    }
    found = read_content(saved(content, tmp_path / "a.pt", zipped))
    assert found["step"] == 3
    assert found["best"] == 0.5
    assert found["command"] == "aé"
    assert found["optimiser"]["param_groups"] == content["optimiser"]["param_groups"]
    moments = content["optimiser"]["state"][0]["exp_avg"]
    assert np.array_equal(found["optimiser"]["state"][0]["exp_avg"], moments.numpy())
    torch.from_numpy(found["net"]["weight"]).zero_()  # the memory is its own


def test_what_lies_beside_the_weights_is_passed_over(zipped: bool, tmp_path: Path) -> None:
    beside = {
        "args": argparse.Namespace(lr=0.1), "epoch": np.float64(3), "path": Path("x"), "log": defaultdict(list, a=[1]),
        "numbers": np.arange(3), "set": {1, 2}, "kind": torch.float16, "size": torch.Size([1]), "sgd": torch.optim.SGD,
    }  # fmt: skip
    state = {"a.weight": torch.ones(2, 2)}
    found = read_state(saved({"state_dict": state, **beside}, tmp_path / "a.pth", zipped))
    assert found.keys() == {"a.weight"}
    with pytest.raises(CheckpointError, match=r"Python object .*Namespace"):
        read_content(tmp_path / "a.pth")


def test_a_network_saved_as_an_object_says_how_to_save_it(zipped: bool, tmp_path: Path) -> None:
    assert "torch.nn.modules.linear.Linear" in refused(saved(nn.Linear(2, 2), tmp_path / "a.pth", zipped))


def test_a_file_of_a_machine_with_the_other_byte_order(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.arange(4, dtype=torch.int32)}, tmp_path / "a.pth")
    rewritten(tmp_path / "a.pth", lambda name, content: b"big" if name.endswith("byteorder") else content)
    swapped = np.arange(4, dtype=np.int32).byteswap()
    assert np.array_equal(read_state(tmp_path / "a.pth")["a.weight"], swapped)
    assert np.array_equal(torch.load(tmp_path / "a.pth", weights_only=True)["a.weight"].numpy(), swapped)


def rewritten(path: Path, change: Any, compression: int = zipfile.ZIP_STORED) -> None:
    """Write the archive at *path* again with each record as *change* (name, content) makes it."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in records.items():
            archive.writestr(name, change(name, content))


def archive_of(pickled: bytes, path: Path, numbers: bytes = bytes(16)) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/data/0", numbers)
    return path


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, count: int = 4) -> bytes:
    """A pickle of {"a.weight": a tensor of float32 in the storage 0}."""

    def integer(value: int) -> bytes:
        return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)

    def several(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(integer, values)) + b"t"

    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + integer(count) + b"tQ"
    arguments = b"(" + storage + integer(offset) + several(shape) + several(strides) + b"\x89ccollections\nOrderedDict\n)Rt"
    return b"\x80\x02}X\x08\0\0\0a.weightctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


def test_the_hostile_tensors_below_are_good_but_for_one_number(tmp_path: Path) -> None:
    path = archive_of(tensor((2, 2), (2, 1)), tmp_path / "a.pth", np.arange(4, dtype=np.float32).tobytes())
    assert np.array_equal(read_state(path)["a.weight"], [[0, 1], [2, 3]])


@pytest.mark.parametrize(
    "pickled",
    [
        tensor((2, 3), (3, 1)),
        tensor((2, 2), (2, 1), offset=1),
        tensor((2, 2), (1 << 40, 1)),
        tensor((1 << 30, 1 << 30), (0, 0)),
        tensor((1 << 60,), (1,)),
        tensor((2, 2), (-2, 1)),
        tensor((2, 2), (2, 1), offset=-1),
        tensor((2, 2), (2,)),
        tensor((1,) * 17, (1,) * 17),
        tensor((2, 2), (2, 1), count=1 << 45),
        tensor((2, 2), (2, 1), count=-4),
    ],
    ids=["outside", "offset", "stride", "repeated", "huge", "backwards", "before", "ragged", "deep", "long storage", "negative"],
)
def test_tensors_that_reach_outside_are_refused(pickled: bytes, tmp_path: Path) -> None:
    assert "damaged" in refused(archive_of(pickled, tmp_path / "a.pth"))


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02]q\0" + b"(h\0h\0eq\0" * 1000 + b".",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        b"\x80\x02}r\xff\xff\xff\x7f.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b".",
        b"\x80\x02}q\0X\x05\0\0\0modelh\0s.",
        b"\x80\x02h\0.",
        b"\x80\x02R.",
        b"\x80\x02t.",
        b"\x80\x02]}b]\x86R.",
        b"I" + b"9" * 100_000 + b"\n.",
        b"\x80\x02cposeapp.cli.main\nentry\n)R.",
        b"\x80\x02(iposeapp.cli.main\nentry\n.",
    ],
    ids=[
        *("laughs", "nested", "memo", "long", "bytes", "cycle", "unknown", "empty-call", "empty-tuple", "list-call"),
        *("digits", "call", "instance"),
    ],
)
def test_pickles_that_want_to_fill_memory_or_run_something(pickled: bytes, tmp_path: Path) -> None:
    refused(archive_of(pickled, tmp_path / "a.pth"))
    with pytest.raises(CheckpointError):
        _as_checkpoint(archive_of(pickled, tmp_path / "a.pth"))


def _as_checkpoint(path: Path) -> None:
    from poseapp.train.checkpoint import read

    read(path)


@pytest.mark.parametrize("module", ["os", "posix", "subprocess", "builtins", "sys"])
def test_names_of_functions_that_run_something_are_told(module: str, tmp_path: Path) -> None:
    pickled = f"c{module}\nsystem\n(X\x02\0\0\0lstR.".encode()
    assert f"Python code ({module}.system), which is not run" in refused(archive_of(pickled, tmp_path / "a.pth"))


def test_packed_records_are_refused(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(1 << 22)}, tmp_path / "a.pth")
    rewritten(tmp_path / "a.pth", lambda name, content: content, zipfile.ZIP_DEFLATED)
    assert (tmp_path / "a.pth").stat().st_size < 1 << 16
    refused(tmp_path / "a.pth")


def test_many_tensors_of_the_same_numbers_are_refused(zipped: bool, tmp_path: Path) -> None:
    shared = torch.ones(1 << 16)
    few = saved({f"a.{i}": shared for i in range(3)}, tmp_path / "few.pth", zipped)
    assert len(read_state(few)) == 3
    refused(saved({f"a.{i}": shared for i in range(50)}, tmp_path / "many.pth", zipped))


def test_records_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """The directory of the archive lets many records begin at the same place."""
    torch.save({f"a.{i}": torch.ones(1 << 14) * i for i in range(9)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        for name, content in records.items():
            if "/data/" not in name or name.endswith("/0"):
                archive.writestr(name, content)
        first = next(info for info in archive.infolist() if "/data/" in info.filename)
        for i in range(1, 9):
            info = zipfile.ZipInfo(first.filename[:-1] + str(i))
            for field in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(info, field, getattr(first, field))
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
    refused(tmp_path / "a.pth")


def test_a_changed_number_is_noticed(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.full((64,), 3.0)}, tmp_path / "a.pth")
    content = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(content.replace(struct.pack("<4f", 3, 3, 3, 3), struct.pack("<4f", 3, 3, 4, 3), 1))
    refused(tmp_path / "a.pth")


def test_a_pickle_of_plain_python_is_no_checkpoint(tmp_path: Path) -> None:
    file = io.BytesIO()
    pickle.dump({"a.weight": [1.0]}, file)
    (tmp_path / "a.pth").write_bytes(file.getvalue())
    refused(tmp_path / "a.pth")
