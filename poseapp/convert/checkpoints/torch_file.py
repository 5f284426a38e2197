"""Files that torch.save writes, read without torch: the zip archives of today, and the plain pickles of before 2020.

Both hold a pickle that describes tensors, and the numbers beside it. Numbers are read only when a tensor is asked for, into new
memory. No file can make that more than four times its own size.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.checkpoints.pickled import BYTES, CodeInPickleError, Storage, StoredTensor, natural, read_pickle
from poseapp.core.errors import CheckpointError

Array = NDArray[Any]
MAX_PICKLE_BYTES = 64 << 20  # a large checkpoint's has about 1 MB
_MAX_READ_FACTOR = 4  # tensors may share numbers; with more sharing than this the file wants to fill the memory
_MAX_DIMENSIONS = 16
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the plain pickles
_DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, OverflowError, MemoryError, RuntimeError)
_DAMAGE_OF_FILES = (struct.error, zipfile.BadZipFile)


class _Rows(Protocol):
    """Where the bytes of the storages are."""

    content: Any
    swapped: bool  # whether the highest byte of a number comes first

    def read(self, key: str, size: int) -> Array:
        """The *size* bytes of the storage *key*; ValueError or KeyError where the file has not so many."""
        ...


class TorchFile:
    """An open file of weights: ``content`` is what was saved, with StoredTensor in place of tensors."""

    def __init__(self, rows: _Rows, size: int) -> None:
        self._rows, self._size = rows, size
        self._left = _MAX_READ_FACTOR * size
        self._storages: dict[str, Array] = {}
        self.content = rows.content

    def array(self, tensor: StoredTensor) -> Array:
        """The numbers of *tensor* in its shape; bfloat16, which numpy does not have, as float32 of the same values.

        ValueError where it reaches outside its storage, or where a number stands in it more than once.
        """
        count, storage = math.prod(tensor.shape), tensor.storage
        if len(tensor.shape) != len(tensor.strides) or len(tensor.shape) > _MAX_DIMENSIONS:
            raise ValueError("no shape")
        if not count:
            return np.empty(tensor.shape, "float32" if storage.dtype == "bfloat16" else _numpy(storage.dtype))
        last = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True))
        if last >= storage.count or count > storage.count:
            raise ValueError("outside of its storage")
        self._left -= count * BYTES[storage.dtype]
        if self._left < 0:
            raise ValueError("larger than the file")
        row = self._row(storage)
        strides = tuple(row.itemsize * stride for stride in tensor.strides)
        view: Array = np.lib.stride_tricks.as_strided(row[tensor.offset :], tensor.shape, strides)
        return view if storage.dtype != "bfloat16" else (view.astype(np.uint32) << 16).view(np.float32)

    def _row(self, storage: Storage) -> Array:
        size = BYTES[storage.dtype]
        if storage.key not in self._storages:
            self._storages[storage.key] = self._rows.read(storage.key, (storage.start + storage.count) * size)
        content = self._storages[storage.key][storage.start * size :]
        row = content[: storage.count * size].view(_numpy(storage.dtype))
        return row.byteswap() if self._rows.swapped else row


@contextlib.contextmanager
def opened(path: Path) -> Iterator[TorchFile]:
    """The file of weights at *path*, to be read in the block. Raises CheckpointError, also for what goes wrong in the block."""
    try:
        with path.open("rb") as file:
            rows = _Zip(file) if zipfile.is_zipfile(file) else _Plain(file)
            yield TorchFile(rows, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file. Give the path of a .pth or .pt file.") from None
    except CodeInPickleError as error:
        raise CheckpointError(
            f"{path}: expected weights alone, got Python code ({_short(error)}), which is not run. {SAVE_AGAIN}"
        ) from None
    except OSError as error:
        why = error.strerror or error
        raise CheckpointError(f"{path}: cannot be read ({why}). Give the path of a .pth or .pt file.") from None
    except (*_DAMAGE, *_DAMAGE_OF_FILES):
        raise CheckpointError(f"{path}: not a PyTorch checkpoint, or damaged. Download it again.") from None


SAVE_AGAIN = 'Where you trust the file, save it again as torch.save({"state_dict": model.state_dict()}, …).'


def _short(name: object) -> str:
    return "".join(c for c in str(name)[:80] if c.isprintable())


def _numpy(dtype: str) -> str:
    if dtype.startswith("q"):
        raise ValueError("quantised numbers")
    return "uint16" if dtype == "bfloat16" else dtype


class _Zip:
    """An archive of data.pkl and a record for each storage, data/0, data/1, …; torch packs none of them."""

    def __init__(self, file: BinaryIO) -> None:
        self._archive = zipfile.ZipFile(file)
        self._left = os.fstat(file.fileno()).st_size
        (pickled,) = (name for name in self._archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl"))
        self._folder = pickled.removesuffix("data.pkl")
        order = f"{self._folder}byteorder"
        self.swapped = order in self._archive.namelist() and self._bytes(order, 16).tobytes() == b"big"
        self.content = read_pickle(io.BytesIO(self._bytes(pickled, MAX_PICKLE_BYTES).tobytes()))

    def read(self, key: str, size: int) -> Array:
        content = self._bytes(f"{self._folder}data/{key}", None)
        if len(content) < size:
            raise ValueError("a storage is cut off")
        return content

    def _bytes(self, name: str, limit: int | None) -> Array:
        record = self._archive.getinfo(name)
        self._left -= record.file_size
        # Packed records, and records that share their bytes, could be far larger than the file.
        if record.compress_type != zipfile.ZIP_STORED or self._left < 0 or (limit is not None and record.file_size > limit):
            raise ValueError("no record of torch")
        out = np.empty(record.file_size, np.uint8)
        with self._archive.open(record) as source:
            _fill(source.read, out)
            source.read(1)  # the end: the sum of the bytes is compared
        return out


class _Plain:
    """Pickles one after the other: a magic number, a version, facts on the machine, the content, the keys; then the storages."""

    swapped = False  # torch writes these files in one order on all machines

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)
        pickles = io.BytesIO(file.read(MAX_PICKLE_BYTES))
        if read_pickle(pickles) != _MAGIC or read_pickle(pickles) != _PROTOCOL:
            raise ValueError("not a file of torch")
        read_pickle(pickles)
        storages: dict[str, Storage] = {}
        self.content = read_pickle(pickles, storages)
        keys = read_pickle(pickles)
        self._places: dict[str, tuple[int, int]] = {}
        at, end = pickles.tell(), os.fstat(file.fileno()).st_size
        for key in keys:
            file.seek(at)
            count = natural(struct.unpack("<q", file.read(8))[0]) * BYTES[storages[key].dtype]
            self._places[key] = at + 8, count
            at += 8 + count
            if at > end:
                raise EOFError

    def read(self, key: str, size: int) -> Array:
        start, count = self._places[key]
        if count < size:
            raise ValueError("a storage is cut off")
        out = np.empty(count, np.uint8)
        self._file.seek(start)
        _fill(self._file.read, out)
        return out


def _fill(read: Callable[[int], bytes], out: Array) -> None:
    """Read as many bytes as *out* has, in parts: a wrong size takes no more memory than the file has bytes."""
    at = 0
    while at < len(out):
        part = read(min(len(out) - at, 16 << 20))
        if not part:
            raise EOFError
        out[at : at + len(part)] = np.frombuffer(part, np.uint8)
        at += len(part)
