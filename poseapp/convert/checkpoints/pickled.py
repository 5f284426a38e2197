"""Pickles read without running anything: plain values come out, and placeholders for everything else.

Python's own reader calls whatever a pickle names, and can be made to take all memory by a few bytes. This one follows the
same instructions (pickletools lists them) on plain values alone: nothing is imported, and nothing is called but the few
functions of this file. They make descriptions of tensors; ``torch_file`` reads the numbers.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_INSTRUCTIONS = 4_000_000  # a checkpoint with its optimizer's state has about 300,000

# Numbers of each kind of storage, as torch names it.
STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "UntypedStorage": "uint8", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
}  # fmt: skip
BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1,
    "uint16": 2, "uint32": 4, "uint64": 8, "bool": 1, "complex64": 8, "complex128": 16, "qint8": 1, "quint8": 1, "qint32": 4,
}  # fmt: skip
# Modules whose functions have no place beside weights. Nothing would run; but who names them wanted it to, and the user should
# know. These are no limit of what is safe.
_CODE = frozenset(
    ["builtins", "__builtin__", "os", "posix", "nt", "sys", "subprocess", "importlib", "runpy", "ctypes", "socket", "shutil"]
)
_PLAIN_BUILTINS = frozenset(
    [
        *("set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "bytes", "bytearray", "complex"),
        *("slice", "range", "object", "long", "unicode", "getattr"),
    ]
)


class CodeInPickleError(Exception):
    """The pickle names Python code that it wants to be run; the text is its name."""


@dataclass(frozen=True)
class Unread:
    """Stands for an object that is not read, such as an optimizer or the arguments of a program; *name* is that of its class."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A row of *count* numbers in the file, found by *key*; ``start`` is where in the row of that key it begins."""

    key: str
    dtype: str
    count: int
    start: int = 0


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the file describes it, not checked yet: *shape* and *strides* in numbers, from *offset* in *storage* on."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _Function:
    make: Callable[..., object]


@dataclass(frozen=True)
class _StorageKind:
    dtype: str


def read_pickle(file: io.BytesIO, storages: dict[str, Storage] | None = None) -> Any:
    """The value of the pickle that begins at the place of *file*, which is left behind its end.

    Dictionaries, lists, tuples, texts and numbers; StoredTensor and Unread. The storages that it names are put into *storages*.
    Raises CodeInPickleError, and ValueError, KeyError,
    IndexError or TypeError on a damaged one.
    """
    machine = _Machine({} if storages is None else storages)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on escapes in damaged texts
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count > MAX_INSTRUCTIONS:
                raise ValueError("too long")
            if opcode.name == "STOP":
                return machine.stack.pop()
            if opcode.name in _VALUES:
                machine.stack.append(argument)
            else:
                _STEPS[opcode.name](machine, argument)
    raise ValueError("no end")


class _Machine:
    """The state of reading one pickle: a stack of values, the stacks below each mark, and what is remembered by number."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def group(self, make: Callable[[list[Any]], object]) -> None:
        """Put what *make* makes of the values since the last mark in their place."""
        self.push(make(self.since_mark()))

    def pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def push(self, value: object) -> None:
        self.stack.append(value)

    def take(self, count: int) -> None:
        """Put a tuple of the last *count* values in their place."""
        if len(self.stack) < count:
            raise IndexError("no values")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def remember(self, number: int | None) -> None:
        self.memo[len(self.memo) if number is None else number] = self.stack[-1]

    def append(self, items: list[Any]) -> None:
        into = self.stack[-1]
        if isinstance(into, list):
            into.extend(items)
        elif not isinstance(into, Unread):
            raise TypeError("not a list")

    def put(self, items: list[Any]) -> None:
        into = self.stack[-1]
        if isinstance(into, dict):
            into.update(zip(items[::2], items[1::2], strict=True))
        elif not isinstance(into, Unread):
            raise TypeError("not a dictionary")

    def last(self, count: int) -> list[Any]:
        if len(self.stack) <= count:
            raise IndexError("no values")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def find(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("not a name")
        self.stack.append(_named(module, name))

    def call(self, keywords: bool = False) -> None:
        if keywords:
            self.stack.pop()
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(_called(function, arguments))

    def stored(self, _: object) -> None:
        storage = _storage(self.stack.pop())
        if isinstance(storage, Storage):
            self.storages[storage.key] = storage
        self.stack.append(storage)


def _named(module: str, name: str) -> object:
    """What stands for the global *name* of *module*."""
    whole = f"{module}.{name}"
    if whole in _FUNCTIONS:
        return _Function(_FUNCTIONS[whole])
    if module in ("torch", "torch.cuda", "torch.storage") and name in STORAGES:
        return _StorageKind(STORAGES[name])
    if module == "torch" and name in BYTES:
        return _StorageKind(name)  # a dtype
    if module.split(".")[0] in _CODE and not (module in ("builtins", "__builtin__") and name in _PLAIN_BUILTINS):
        raise CodeInPickleError(whole)
    return Unread(whole)


def _called(function: object, arguments: object) -> object:
    if isinstance(function, _Function):
        if not isinstance(arguments, tuple):
            raise TypeError("no arguments")
        return function.make(*arguments)
    if isinstance(function, Unread):
        return function
    raise TypeError("not a function")


def _storage(pid: object) -> Storage | Unread:
    """The storage that torch's persistent id *pid* names: ("storage", kind, key, device, count[, view])."""
    if isinstance(pid, tuple) and pid[:1] == ("module",) and isinstance(pid[1], Unread):
        return pid[1]  # a class with its source, in old files of whole networks
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
        raise ValueError("not a storage")
    _, kind, key, _, count, *view = pid
    if isinstance(kind, Unread):
        return kind
    if not isinstance(kind, _StorageKind) or not isinstance(key, str):
        raise TypeError("not a storage")
    start = 0
    if view and view[0] is not None:  # of before 2018: a part of another storage
        _, start, count = view[0]
    return Storage(str(key), kind.dtype, natural(count), natural(start))


def natural(value: object) -> int:
    """*value*, a number from 0 on that fits 48 bits; ValueError where it is none."""
    if not isinstance(value, int) or not 0 <= value < 1 << 48:
        raise ValueError("not a size")
    return int(value)


def _tensor(storage: object, offset: object, shape: Any, strides: Any, *_: object) -> StoredTensor | Unread:
    if isinstance(storage, Unread):
        return storage
    if not isinstance(storage, Storage):
        raise TypeError("no storage")
    return StoredTensor(storage, natural(offset), tuple(map(natural, shape)), tuple(map(natural, strides)))


def _tensor_of_bytes(storage: object, offset: object, shape: Any, strides: Any, *more: object) -> Any:
    """A tensor of a storage that does not say what its bytes are."""
    _gradient, _hooks, kind, *_ = more
    if isinstance(storage, Storage) and isinstance(kind, _StorageKind):
        storage = Storage(storage.key, kind.dtype, storage.count // BYTES[kind.dtype], storage.start)
    elif not isinstance(storage, Unread):
        return Unread("torch.dtype")
    return _tensor(storage, offset, shape, strides)


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_bytes,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": lambda function, _type, arguments, *_: _called(function, arguments),
    "torch.Size": lambda shape=(): tuple(shape),
    "collections.OrderedDict": lambda items=(): dict(items),
    "collections.defaultdict": lambda _factory=None, items=(): dict(items),
}

_VALUES = frozenset(
    [
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"),
        *("SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"),
        *("BINBYTES8", "BYTEARRAY8"),
    ]
)
_Step = Callable[[_Machine, Any], object]
_STEPS: dict[str, _Step] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, a: None),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "EMPTY_SET": lambda m, a: m.push(Unread("builtins.set")),
    "LIST": lambda m, a: m.group(list),
    "TUPLE": lambda m, a: m.group(tuple),
    "DICT": lambda m, a: m.group(lambda items: dict(zip(items[::2], items[1::2], strict=True))),
    "FROZENSET": lambda m, a: m.group(lambda items: Unread("builtins.frozenset")),
    "TUPLE1": lambda m, a: m.take(1),
    "TUPLE2": lambda m, a: m.take(2),
    "TUPLE3": lambda m, a: m.take(3),
    "APPEND": lambda m, a: m.append(m.last(1)),
    "APPENDS": lambda m, a: m.append(m.since_mark()),
    "ADDITEMS": lambda m, a: m.append(m.since_mark()),
    "SETITEM": lambda m, a: m.put(m.last(2)),
    "SETITEMS": lambda m, a: m.put(m.since_mark()),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda m, a: m.since_mark(),
    "DUP": lambda m, a: m.push(m.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, a: m.push(m.memo[a])),
    "GLOBAL": lambda m, a: m.find(*a.split(" ", 1)),
    "STACK_GLOBAL": lambda m, a: m.find(*reversed((m.stack.pop(), m.stack.pop()))),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, a: m.call()),
    "NEWOBJ_EX": lambda m, a: m.call(keywords=True),
    "INST": lambda m, a: m.group(lambda items: _called(_named(*a.split(" ", 1)), tuple(items))),
    "OBJ": lambda m, a: m.group(lambda items: _called(items[0], tuple(items[1:]))),
    "BUILD": lambda m, a: m.last(1),  # the attributes of an object: none of them are weights
    "BINPERSID": _Machine.stored,
}
