"""Several processes at one job: what each has is merged by the first, and all get the same back.

A star of sockets, as no framework's collective carries NumPy arrays for the other two. Every exchange is numbered and
named, so that processes which part ways end with an error and not with each other's numbers. Nothing that is read is
code: JSON and raw arrays. Who joins proves that it knows the token (HMAC-SHA256 of the other side's random bytes).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from bakeoff.errors import BakeoffError, PeerError, UsageError
from bakeoff.protocols import Collective
from bakeoff.schemas import Array

T = TypeVar("T")
Said = tuple[Any, list[Array]]  # a value of JSON, and arrays
Merge = Callable[[list[Said]], Said]  # of all, by rank; only the first calls it
WAIT_S = 600.0  # for another process's part of a step
JOIN_S = 120.0
_HEAD = struct.Struct(">Q")
_LONGEST = 2**26  # bytes of JSON


class Team:
    """One process's end of it; alone, everything is merged from its own. Use it as a context manager.

    Attributes:
        rank: of this process, from 0.
        world: how many there are.
        collective: the framework's own, where it does the adding.
    """

    collective: Collective | None = None

    def __init__(
        self, rank: int = 0, world: int = 1, links: dict[int, socket.socket] | None = None, wait_s: float = WAIT_S
    ) -> None:
        self.rank, self.world, self.wait_s = rank, world, wait_s
        self._links, self._turn = links or {}, 0

    @property
    def host(self) -> str:
        """This process's address, as others of the team reach it or are reached from it."""
        return str(next(iter(self._links.values())).getsockname()[0]) if self._links else "127.0.0.1"

    def exchange(self, what: str, said: Said, merge: Merge, *, patient: bool = False) -> Said:
        """What all said, merged.

        Args:
            what: must be the same in all.
            patient: wait for as long as the others live.

        Raises:
            PeerError: another one ended, said nothing in time, or is somewhere else in the job.
        """
        self._turn += 1
        label, wait = f"{self._turn} {what}", None if patient else self.wait_s
        if self.rank:
            self._send(0, label, said)
            return self._receive(0, label, None if wait is None else 2 * wait)  # the first one waits for all, then says
        all_said = [said, *(self._receive(rank, label, wait) for rank in range(1, self.world))]
        merged = merge(all_said)
        for rank in range(1, self.world):
            self._send(rank, label, merged)
        return merged

    def first(self, what: str, said: Said, *, patient: bool = False) -> Said:
        """What the first one said."""
        return self.exchange(
            what, said if self.rank == 0 else (None, []), lambda all_said: all_said[0], patient=patient
        )

    def all(self, what: str, said: Said, *, patient: bool = False) -> list[Said]:
        """What each said, by rank."""

        def listed(all_said: list[Said]) -> Said:
            return [[value, len(arrays)] for value, arrays in all_said], [a for _, arrays in all_said for a in arrays]

        rows, arrays = self.exchange(what, said, listed, patient=patient)
        left = iter(arrays)
        return [(value, [next(left) for _ in range(count)]) for value, count in rows]

    @contextmanager
    def first_goes_ahead(self, what: str) -> Iterator[None]:
        """The first one does what is inside, then the others do: they find what it left."""
        if self.rank:
            self.first(what, (None, []), patient=True)
        yield
        if not self.rank:
            self.first(what, (None, []), patient=True)

    def _send(self, rank: int, label: str, said: Said) -> None:
        value, arrays = said
        plain = [np.ascontiguousarray(array) for array in arrays]
        kinds = [[array.dtype.str, array.shape] for array in plain]
        head = json.dumps({"label": label, "value": value, "arrays": kinds}).encode()
        with self._ended(rank):
            self._links[rank].settimeout(self.wait_s)
            self._links[rank].sendall(_HEAD.pack(len(head)) + head)
            for array in plain:
                self._links[rank].sendall(array.reshape(-1).view(np.uint8).data if array.size else b"")

    def _receive(self, rank: int, label: str, wait_s: float | None) -> Said:
        link = self._links[rank]
        with self._ended(rank):
            link.settimeout(wait_s)
            size = _HEAD.unpack(bytes(_exactly(link, _HEAD.size)))[0]
            if size > _LONGEST:
                raise PeerError(f"worker {rank} sent {size} bytes where at most {_LONGEST} were expected.")
            head = json.loads(bytes(_exactly(link, size)))
            if "error" in head:
                raise PeerError(f"worker {rank} ended: {head['error']}")
            if head["label"] != label:
                raise PeerError(f"worker {rank} is at {head['label']!r}, this one at {label!r}: they have parted ways.")
            arrays = []
            for kind, shape in head["arrays"]:
                dtype = np.dtype(kind)
                raw = _exactly(link, dtype.itemsize * math.prod(shape))
                arrays.append(raw.view(dtype).reshape(shape))
        return head["value"], arrays

    @contextmanager
    def _ended(self, rank: int) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise PeerError(f"worker {rank} said nothing for {self.wait_s:g} s.") from None
        except (OSError, EOFError) as error:
            raise PeerError(f"worker {rank} is gone: {str(error) or type(error).__name__}.") from None

    def __enter__(self) -> Team:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; where an error is the reason, the others are told, so that nobody waits."""
        for link in self._links.values():
            with suppress(OSError):
                if value is not None:
                    text = str(value) if isinstance(value, BakeoffError) else f"{type(value).__name__}: {value}"
                    head = json.dumps({"error": text}).encode()
                    link.settimeout(5)
                    link.sendall(_HEAD.pack(len(head)) + head)
            link.close()


def lead(listener: socket.socket, world: int, token: str, wait_s: float = WAIT_S) -> Team:
    """The first one, once all others have joined.

    Raises:
        PeerError: not all came in time.
    """
    links: dict[int, socket.socket] = {}
    end = time.monotonic() + max(JOIN_S, wait_s)
    while len(links) < world - 1:
        listener.settimeout(max(0.01, end - time.monotonic()))
        try:
            link, _ = listener.accept()
        except TimeoutError:
            for link in links.values():
                link.close()
            missing = sorted(set(range(1, world)) - set(links))
            raise PeerError(f"workers {missing} did not come within {max(JOIN_S, wait_s):g} s.") from None
        rank = _known(link, token)
        if rank is None or not 0 < rank < world or rank in links:
            link.close()
            continue
        links[rank] = link
    return Team(0, world, links, wait_s)


def join(address: str, rank: int, world: int, token: str, wait_s: float = WAIT_S) -> Team:
    """One of the others; tries until the first one listens.

    Raises:
        UsageError: the address isn't HOST:PORT.
        PeerError: nobody listens there in time, or who does lacks the token.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"address {address!r}: expected HOST:PORT of worker 0.")
    end = time.monotonic() + max(JOIN_S, wait_s)
    while True:
        try:
            link = socket.create_connection((host, int(port)), timeout=10)
            break
        except OSError as error:
            if time.monotonic() >= end:
                raise PeerError(f"worker 0 doesn't listen at {address}: {error}.") from None
            time.sleep(0.2)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError, EOFError):
        mine = os.urandom(32)
        link.sendall(mine)
        theirs, proof = bytes(_exactly(link, 32)), bytes(_exactly(link, 32))
        if hmac.compare_digest(proof, _proof(token, b"first", mine)):
            link.sendall(_proof(token, b"other", theirs) + struct.pack(">I", rank))
            return Team(rank, world, {0: link}, wait_s)
    link.close()
    raise PeerError(f"who listens at {address} is no worker of this job (another token).")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What a library's call gives that waits for other processes: no library's own deadline is kept in all cases.

    Raises:
        PeerError: it gave nothing in time, or an error.
    """
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # one that never comes back keeps no process from ending
    try:
        return found.result(seconds)
    except BakeoffError:
        raise
    except TimeoutError:
        raise PeerError(f"another worker said nothing for {seconds:g} s.") from None
    except Exception as error:
        raise PeerError(f"another worker is gone: {type(error).__name__}: {str(error).strip()[:200]}") from None


def is_here(host: str) -> bool:
    """Whether it is this machine's own address, by its name or number."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _known(link: socket.socket, token: str) -> int | None:
    """The rank of who connects, where it has the token."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.settimeout(10)
    with suppress(OSError, EOFError):
        theirs, mine = bytes(_exactly(link, 32)), os.urandom(32)
        link.sendall(mine + _proof(token, b"first", theirs))
        if hmac.compare_digest(bytes(_exactly(link, 32)), _proof(token, b"other", mine)):
            return int(struct.unpack(">I", bytes(_exactly(link, 4)))[0])
    return None


def _proof(token: str, who: bytes, challenge: bytes) -> bytes:
    return hmac.new(token.encode(), who + challenge, hashlib.sha256).digest()


def _exactly(link: socket.socket, size: int) -> Array:
    """So many bytes.

    Raises:
        EOFError: the other side closed before.
    """
    held = np.empty(size, np.uint8)
    view, at = held.data, 0
    while at < size:
        got = link.recv_into(view[at:])
        if got == 0:
            raise EOFError("it closed the connection")
        at += got
    return held
