"""A file behind HTTP: how long a server of others may take, where it may lead, and what it may pack.

time      an answer within 10 s, and a kilobyte a second from then on: one that says a word now and then has no end
places    no redirect and no name leads to an address that is nearer than where the URL itself leads: a server elsewhere
          would have this machine ask its own services, its router or the cloud it runs in
packing   none: what comes is as long as was said
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any
from urllib.parse import urlsplit

from bakeoff.errors import DataError, UsageError

SCHEMES = ("http", "https")
WAIT_S, SLOWEST = 10.0, 1024  # bytes a second


class Way:
    """How one URL is reached.

    Attributes:
        refused: why it isn't, where it led elsewhere.
    """

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).hostname or ""
        self.nearest: int | None = None
        self.refused = ""

    async def client(self, **settings: Any) -> Any:
        """As fsspec asks for one: a session of aiohttp."""
        import aiohttp

        more = {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=WAIT_S, sock_read=WAIT_S)}
        more |= {"auto_decompress": False, "headers": {"Accept-Encoding": "identity"}} | settings
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=self._socket), **more)

    def _socket(self, address: Any) -> Any:
        import socket

        family, kind, protocol, _, place = address
        near = nearness(place[0])
        if self.nearest is None:  # names with a point are given by whoever owns them
            self.nearest = min(near, 2 if "." not in self.host or _is_address(self.host) else 1)
        if near > self.nearest:
            self.refused = f"it leads to {place[0]}, an address of this machine or network"
            raise OSError(self.refused)
        return socket.socket(family, kind, protocol)


def nearness(address: str) -> int:
    """0 anywhere in the world, 1 in a private network, 2 on this machine or link, where clouds have their secrets."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return 2 if found.is_loopback or found.is_link_local or found.is_unspecified else int(not found.is_global)


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


class Answer:
    """A file that a server gives; `facts` as fsspec has them: its size in bytes (None: not said) and its version.

    Args:
        part: where a range of it begins and ends, in bytes; None: the whole file.
    """

    def __init__(self, system: Any, url: str, part: tuple[int, int] | None = None) -> None:
        self.system, self.url, self.begun, self.given, self.part = system, url, time.monotonic(), 0, part
        self._answer = self._wait(self._ask)
        said = self._answer.headers
        self.facts = {"size": self._answer.content_length, "ETag": said.get("ETag"), "mtime": said.get("Last-Modified")}

    async def _ask(self) -> Any:
        session = await self.system.set_session()
        asked = {"headers": {"Range": f"bytes={self.part[0]}-{self.part[1] - 1}"}} if self.part else {}
        answer = await session.get(self.system.encode_url(self.url), **self.system.kwargs, **asked)
        self.system._raise_not_found_for_status(answer, self.url)
        if self.part and answer.status != 206:
            answer.close()
            raise UsageError(f"{self.url}: the server gives no ranges of files.\nCopy the folder here first.")
        return answer

    def _wait(self, call: Any, *given: Any) -> Any:
        from fsspec.asyn import sync

        try:
            return sync(self.system.loop, call, *given, timeout=WAIT_S)
        except TimeoutError:
            raise DataError(f"{self.url}: no answer within {WAIT_S:.0f} s.\nTry another place.") from None

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        piece: bytes = self._wait(self._answer.content.read, size)
        self.given += len(piece)
        took = time.monotonic() - self.begun
        if piece and took > WAIT_S and self.given < SLOWEST * took:
            raise DataError(f"{self.url}: {self.given:,} bytes in {took:.0f} s: too slow.\nTry another place.")
        return piece

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.system.loop.call_soon_threadsafe(self._answer.close)
