"""What a pass reads or changes beside its images: chance, clocks, attributes, closures, globals.

A trace takes such a value once and keeps it. Nothing here knows a framework. A `Watch` sees which code ran, and which
clocks and random numbers of Python and NumPy it asked; `state` is what that code can reach, leaf by leaf, so that two
states differ by name; `reads` says whether the code looks at what has changed, or only keeps it (a counter of calls).
"""

from __future__ import annotations

import collections
import dis
import itertools
import os
import random
import re
import sys
import types
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from bakeoff import registry

CLOCKS = {"time": ("time", "time_ns", "localtime", "gmtime", "ctime"), "datetime": ("now", "utcnow", "today")}
CHANCE = {"random": ("random", "getrandbits"), "posix": ("urandom", "getrandom"), "nt": ("urandom",)}
PURE = (int, float, complex, str, bytes, bool, type(None), range, slice, Enum)
KEEPING = frozenset(("append", "extend", "add", "clear", "appendleft"))
FOREIGN = frozenset(("torch", "keras", "tensorflow", "jax", "numpy", *sys.stdlib_module_names)) - {"__main__"}
PYTHON = os.path.dirname(os.__file__) + os.sep
HOUSE = (os.path.dirname(np.__file__), os.path.dirname(registry.__file__))
_fresh = itertools.count()


class Watch:
    """Inside it, what runs in this thread is seen.

    Args:
        libraries: folders whose code is not the user's.

    Attributes:
        running: the path of the module that runs, as the framework's hooks say it.
        codes: what ran, the libraries' own apart.
        asked: clocks and random numbers -> where they were asked first.
    """

    def __init__(self, *libraries: str) -> None:
        self.libraries, self.running = (*libraries, *HOUSE), [""]
        self.codes: set[types.CodeType] = set()
        self.asked: dict[str, str] = {}

    def __enter__(self) -> Watch:
        self._mark, self._before = _mark(), sys.getprofile()
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        self.look()

    def look(self) -> None:
        """Whether NumPy's generator has moved since the last look: it is not seen at work."""
        if self._mark != (mark := _mark()):
            self._mark = mark
            self.asked.setdefault("numpy.random", self.running[-1] or "the model itself")

    def _seen(self, frame: types.FrameType, event: str, called: Any) -> None:
        if event == "call":
            file = frame.f_code.co_filename
            if not file.startswith(self.libraries) and not _pythons(file):
                self.codes.add(frame.f_code)
        elif event == "c_call" and (what := _impure(called)) and what not in self.asked:
            at: types.FrameType | None = frame
            while at is not None and _pythons(at.f_code.co_filename):
                at = at.f_back
            if at is not None and not at.f_code.co_filename.startswith(self.libraries):
                place = f"{os.path.basename(at.f_code.co_filename)}:{at.f_lineno}"
                self.asked[what] = f"{self.running[-1] or 'the model itself'} ({place})"


def _pythons(file: str) -> bool:
    return file.startswith("<frozen") or (file.startswith(PYTHON) and "site-packages" not in file)


def _impure(called: Any) -> str:
    """What a C function asks, if it is a clock or a source of chance; a stopwatch (perf_counter) is none."""
    owner = getattr(called, "__self__", None)
    module = getattr(called, "__module__", None) or (owner if isinstance(owner, type) else type(owner)).__module__
    name = called.__name__
    return f"{module}.{name}" if name in CLOCKS.get(module, ()) or name in CHANCE.get(module, ()) else ""


def _mark() -> tuple[Any, ...]:
    _, keys, *rest = np.random.get_state()
    return (np.asarray(keys).tobytes(), *rest)


def state(
    roots: Mapping[str, Any], codes: Collection[types.CodeType], leaf: Callable[[Any], str | None]
) -> dict[str, str]:
    """A mark of each value by its name, as `blocks.0.step` or `net.STEP`.

    Args:
        roots: where to begin, by name.
        codes: what ran: only of these functions are closures, defaults and globals looked at.
        leaf: a framework's mark of its own values, or None.
    """
    found: dict[str, str] = {}
    seen: dict[int, Any] = {}
    left = list(roots.items())
    while left:
        name, value = left.pop()
        mark = leaf(value)
        if mark is None and (parts := list(_parts(name, value, codes))):
            mark = f"{type(value).__name__} of {len(parts)}"
            if id(value) not in seen:
                seen[id(value)] = value  # kept: another object may get its id
                left += parts
        found[name] = _leaf(value) if mark is None else mark
    return found


def _parts(name: str, value: Any, codes: Collection[types.CodeType]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"{name}[{key!r}]", item) for key, item in list(value.items()))
    elif isinstance(value, list | tuple | collections.deque):
        yield from ((f"{name}[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, types.MethodType):
        yield from ((name, value.__func__), (f"{name}.self", value.__self__))
    elif isinstance(value, partial):
        yield from ((name, value.func), (f"{name}.args", [value.args, value.keywords]))
    elif isinstance(value, types.FunctionType):
        yield from _held(value) if value.__code__ in codes else ()
    elif isinstance(value, type):
        own = _is_own(value)
        yield from ((f"{value.__name__}.{key}", item) for key, item in vars(value).items() if own and key[:2] != "__")
    elif _is_own(type(value)) or isinstance(value, types.SimpleNamespace):
        slots = [key for kind in type(value).__mro__ for key in getattr(kind, "__slots__", ()) if hasattr(value, key)]
        inside = {key: getattr(value, key) for key in slots} | dict(getattr(value, "__dict__", {}))
        yield from ((f"{name}.{key}", item) for key, item in inside.items())


def _held(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function keeps: its closure, its defaults, and the globals that it names."""
    code, module = function.__code__, function.__module__
    for free, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with_contents = cell != types.CellType()
        yield f"{function.__qualname__}.{free}", cell.cell_contents if with_contents else None
    arguments = code.co_varnames[: code.co_argcount][::-1]
    defaults = dict(zip(arguments, (function.__defaults__ or ())[::-1], strict=False)) | (function.__kwdefaults__ or {})
    yield from ((f"{function.__qualname__}.{key}", item) for key, item in defaults.items())
    names = function.__globals__
    yield from ((f"{module}.{key}", names[key]) for key in code.co_names if key in names)


def _is_own(kind: type) -> bool:
    return (kind.__module__ or "").partition(".")[0] not in FOREIGN and not issubclass(kind, Enum)


def _leaf(value: Any) -> str:
    if isinstance(value, PURE):
        return repr(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{zlib.crc32(np.ascontiguousarray(value).tobytes())}"
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return repr(value.bit_generator.state if isinstance(value, np.random.Generator) else value.get_state())
    if isinstance(value, random.Random):
        return repr(value.getstate())
    if isinstance(value, set | frozenset):
        return repr(sorted(map(repr, value)))
    if hasattr(value, "__next__"):  # an iterator: whoever reads it gets its next value
        return f"iterator {next(_fresh)}"
    return type(value).__name__


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The names of what differs, sorted."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def reads(codes: Collection[types.CodeType], name: str) -> bool:
    """Whether code looks at a changed value, by its name; `self.calls += 1` and `self.seen.append(x)` do not."""
    last = re.sub(r"(\[[^]]*\])+$", "", name).rpartition(".")[2]
    return any(_reads(code, last) for code in codes)


def _reads(code: types.CodeType, name: str) -> bool:
    if {"getattr", "__dict__", "vars"} & set(code.co_names):
        return True
    lines = list(dis.get_instructions(code))
    for index, line in enumerate(lines[:-1]):  # the last one returns
        given = line.argval if isinstance(line.argval, tuple) else (line.argval,)
        if not line.opname.startswith("LOAD_") or name not in given or line.opname == "LOAD_CONST":
            continue
        attribute, after = line.opname in ("LOAD_ATTR", "LOAD_METHOD"), lines[index + 1 : index + 4]
        added = [step.opname for step in after[1:2] if step.argrepr.endswith("=")] == ["BINARY_OP"]
        if attribute and lines[index - 1].opname == "COPY":  # self.calls += 1
            continue
        if not attribute and added and after[2].opname[:6] == "STORE_" and after[2].argval == name:
            continue
        if after[0].opname in ("LOAD_ATTR", "LOAD_METHOD") and after[0].argval in KEEPING:
            continue
        return True
    return False
