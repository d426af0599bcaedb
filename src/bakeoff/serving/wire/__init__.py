"""The protocols, one a file. A protocol's file has one or both of

ROUTES     what of HTTP it answers: `Route(methods, path, handler)`; the first that fits is asked, files in order
SERVICES   what of gRPC it answers: {service: {method: handler}}

A handler of HTTP gets the server, the request and the match of its path; one of gRPC gets the server and the bytes of
a message, and returns bytes. What takes time is handed to `server.work`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bakeoff.serving.app import App

JSON = "application/json"


@dataclass
class Request:
    """A request of HTTP.

    Attributes:
        method: as GET.
        target: path and query as they were sent.
        headers: by lower-case name; of several the last.
        read: reads the body, unpacked, within its limits.
        id: the client's own, or one that was made.
        model: whose model it is about, for the log and the measures; "" until that is known.
        deadline_s: how long the client waits.
    """

    method: str
    target: str
    headers: dict[str, str]
    read: Callable[[], Awaitable[bytes]]
    id: str = ""
    model: str = ""
    deadline_s: float = 30.0

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]


@dataclass
class Response:
    """What is sent back."""

    body: bytes
    status: int = 200
    kind: str = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Route:
    """Where a handler is asked."""

    methods: tuple[str, ...]
    path: re.Pattern[str]
    handler: Callable[[App, Request, re.Match[str]], Awaitable[Response]]
    free: bool = False
    """Whether it is asked without a token: whether a server lives is no secret."""


Method = Callable[["App", bytes, Any], Awaitable[bytes]]
"""Gets the server, a message's bytes and the call (`deadline_s`, `model`)."""
