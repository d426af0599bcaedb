"""How much memory and time a file of others may take: what a small net file asks for can be without end.

Memory is held by the address space of this process while the library loads or runs the file. Time is held by a thread
that ends the process, since no library can be made to return; only a process that does nothing else may ask for that.
What loading takes is counted in the processor's time, so that a busy machine or a slow disk refuses no honest file; an
answer is waited for by the clock, since many cores work on it.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from bakeoff.errors import CorruptError
from bakeoff.runtimes._allowed import trusted
from bakeoff.runtimes._runtime import Mapped, Runtime
from bakeoff.schemas import Array
from bakeoff.system import address_space

WORK_S, CALL_S = 20.0, 15.0
WORK_A_BYTE = 1 / (64 << 20)  # seconds; ResNet-50 as a SavedModel takes a tenth of both
WAITS = 4.0  # what loads may take so many times by the clock
TICK_S = 0.1
SLOWER = 20.0  # a call may take so many times what its images took in the first one
EXTRA = 2 << 30  # bytes
COPIES = 4  # of the weights: as read, as parsed, as the library lays them out, and one more
NO_MEMORY = re.compile(r"MemoryError|bad.alloc|\balloc|\boom\b|not enough memory", re.IGNORECASE)  # as libraries say it

_ended: list[Callable[[str], None]] = []  # what ends the process, with a message


def end_by(end: Callable[[str], None]) -> None:
    """Say how this process is ended where a call takes too long; otherwise calls may take any time."""
    _ended[:] = [end]


@contextmanager
def bounded(path: Path, seconds: float, work: float = math.inf) -> Iterator[None]:
    """Hold a call of a library to its time, by the clock and of the processor, and to its memory.

    Raises:
        CorruptError: it asked for more memory.
    """
    done = threading.Event()
    if _ended:
        threading.Thread(target=_watch, args=(path, seconds, work, done), daemon=True).start()
    most = EXTRA + COPIES * _size(path)
    try:
        with address_space(most):
            yield
    except Exception as error:  # a library's own, or Python's
        if NO_MEMORY.search(f"{type(error).__name__} {error}"):
            raise CorruptError(
                f"{path}: it asks for more than {most / 2**30:.1f} GiB of memory. It was ended.\n{trusted(path)}"
            ) from None
        raise
    finally:
        done.set()


def loading(path: Path) -> AbstractContextManager[None]:
    """The same for loading a file: so much work, and more for a larger one."""
    work = WORK_S + WORK_A_BYTE * _size(path)
    return bounded(path, WAITS * work, work)


def _watch(path: Path, seconds: float, work: float, done: threading.Event) -> None:
    begun, worked = time.monotonic(), time.process_time()
    while not done.wait(min(TICK_S, seconds)):
        over = time.process_time() - worked > work
        if over or time.monotonic() - begun > seconds:
            said = f"loading it takes more than {work:.0f} s of work" if over else f"no answer within {seconds:.0f} s"
            _ended[0](f"{path}: {said}. It was ended.\n{trusted(path)}")


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)


@dataclass
class Bounded:
    """A runtime whose calls are held to time and memory; the first gets a single image, which tells what is usual."""

    runtime: Runtime
    path: Path
    seconds_an_image: float = 0.0

    @property
    def name(self) -> str:
        """The library that computes."""
        return self.runtime.name

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself."""
        return self.runtime.metadata

    def predict(self, images: Array) -> Array:
        """Logits or features (N, n) of normalised images, float32 (N, H, W, C)."""
        return self._asked(images, lambda part: [self.runtime.predict(part)])[0]

    def values(self, images: Array) -> list[Array]:
        """All outputs of a runtime that is `Mapped`, (N, ...) each."""
        return self._asked(images, lambda part: cast(Mapped, self.runtime).values(part))

    def _asked(self, images: Array, ask: Callable[[Array], list[Array]]) -> list[Array]:
        if self.seconds_an_image or not len(images):
            return self._call(images, ask)
        begun = time.monotonic()
        first = self._call(images[:1], ask)
        self.seconds_an_image = time.monotonic() - begun
        if len(images) == 1:
            return first
        return [np.concatenate(pair) for pair in zip(first, self._call(images[1:], ask), strict=True)]

    def _call(self, images: Array, ask: Callable[[Array], list[Array]]) -> list[Array]:
        with bounded(self.path, max(CALL_S, SLOWER * self.seconds_an_image * len(images))):
            return ask(images)
