"""The server's HTTP: bare ASGI, which costs 0.03 ms a request. Reads, hands on, writes, counts; computes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from types import ModuleType
from typing import Any, TypeVar

from bakeoff import registry
from bakeoff.serving import guard
from bakeoff.serving.metrics import Metrics
from bakeoff.serving.models import Models
from bakeoff.serving.page.collect import Collection
from bakeoff.serving.refused import HTTP, Refused
from bakeoff.serving.settings import Settings
from bakeoff.serving.wire import JSON, Request, Response, Route
from bakeoff.serving.wire._json import error as error_body
from bakeoff.serving.work import Workers
from bakeoff.shown import to_json

T = TypeVar("T")
Say = Callable[[str], None]
ROOM = "bakeoff.serving.wire"
DRAINED = 2  # times the most bytes of a request
HELD = 8  # times the most bytes of a request, for all of them together
ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
NOTHING = Response(
    b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n", 404, "text/html"
)
BROKEN = Refused("INTERNAL", "The server failed on this request; its log says why.")
CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)


class App:
    """What protocols see of the server.

    Attributes:
        settings: of the server.
        models: what is served.
        workers: who computes.
        metrics: what is counted.
        collection: where pictures are kept for labelling; None: nowhere.
        stopping: whether it was told to stop: it still answers, and isn't ready.
    """

    def __init__(self, settings: Settings, models: Models, workers: Workers, say: Say, log: Say = print) -> None:
        self.settings, self.models, self.workers, self.say, self.log = settings, models, workers, say, log
        self.metrics = Metrics(workers)
        self.stopping = False
        self.protocols = {name: registry.load(ROOM, name) for name in registry.names(ROOM)}
        self._routes = [(name, one) for name, found in self.protocols.items() for one in _routes(found)]
        if settings.metrics_path:
            self._routes.append(("operations", self.protocols["operations"].metrics_at(settings.metrics_path)))
        self.collection = None if settings.collect is None else Collection(settings.collect, settings.collect_mb << 20)
        self._ids = (f"{start}{number:08x}" for start in [secrets.token_hex(4)] for number in count())
        self.unpacking = asyncio.Semaphore(settings.cores)
        self._held = 0

    @property
    def ready(self) -> bool:
        """Whether every model has a version that answers, and it goes on."""
        return not self.stopping and self.models.ready and self.models.all_available()

    async def work(self, request: Any, what: Callable[[], T]) -> T:
        """What a function returns, computed in a worker within the request's time."""
        return await self.workers.run(what, request.deadline_s)

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        begun, body = time.perf_counter(), _Body(self, receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        given = headers.get("x-request-id", "")
        named = given if ID.fullmatch(given) else next(self._ids)
        request = Request(scope["method"], target, headers, lambda: body.read(headers), named)
        request.deadline_s = self.settings.timeout_s
        (protocol, route, match), code = self._route(request), "OK"
        try:
            guard.check(self.settings, request.headers, free=route is None or route.free)
            response = NOTHING if route is None or match is None else await route.handler(self, request, match)
        except Refused as error:
            code, response = error.code, refusal(error)
        except Exception as error:  # a mistake of ours: said in the log alone
            code, response = "INTERNAL", refusal(self.broken(error))
        finally:
            self._held -= body.held
        await body.drain()
        await _send(send, request, response, CORS if self.settings.cors else ())
        self.note(protocol, request, code, begun, {"status": response.status, "client": (scope["client"] or ("",))[0]})

    def _route(self, request: Request) -> tuple[str, Route | None, re.Match[str] | None]:
        for protocol, route in self._routes:
            if not route.methods or request.method in route.methods:
                match = route.path.fullmatch(request.path)
                if match is not None:
                    return protocol, route, match
        return "", None, None

    def broken(self, error: BaseException) -> Refused:
        """What is said of a mistake of ours."""
        self.say(f"unexpected: {type(error).__name__}: {' '.join(str(error).split())[:500]}")
        return BROKEN

    def note(self, protocol: str, request: Any, code: str, begun: float, more: dict[str, Any]) -> None:
        """Count an answer, and log it."""
        seconds = time.perf_counter() - begun
        model = request.model if request.model in self.models.given else ""
        self.metrics.count(protocol, model, code, seconds)
        if self.settings.access_log:
            line = {"time": round(time.time(), 3), "id": request.id, "protocol": protocol, "model": model, **more}
            where = {"method": request.method, "target": request.target[:1000]}
            self.log(to_json({**line, **where, "code": code, "ms": round(1000 * seconds, 2)}))

    def hold(self, size: int) -> None:
        """Make room for so many bytes of a request.

        Raises:
            Refused: others have it.
        """
        if self._held + size > HELD * self.settings.most:
            raise Refused("RESOURCE_EXHAUSTED", "The server has no room for more requests.", retry_after=1)
        self._held += size


class _Body:
    """The body of a request, read when it is asked for, within its bounds of bytes and time."""

    def __init__(self, app: App, receive: Any) -> None:
        self.app, self.receive, self.held, self.size, self.whole = app, receive, 0, 0, False

    async def read(self, headers: Mapping[str, str]) -> bytes:
        """All of it, unpacked.

        Raises:
            Refused: it is too large, or doesn't come.
        """
        settings = self.app.settings
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > settings.most:
            raise self._large()
        try:
            async with asyncio.timeout(settings.body_s):
                found = await self._all()
        except TimeoutError:
            self.whole = True  # for us it is
            said = f"The body did not come within {settings.body_s:g} s."
            raise Refused("DEADLINE_EXCEEDED", said, status=408) from None
        if "gzip" in headers.get("content-encoding", ""):
            async with self.app.unpacking:
                found = await asyncio.to_thread(self._unpacked, found)
            self.app.hold(len(found))  # beside what came: it lies there until it is answered
            self.held += len(found)
        return found

    async def _all(self) -> bytes:
        parts = list[bytes]()
        while not self.whole:
            part = await self._part()
            if self.size > self.app.settings.most:
                raise self._large()
            self.app.hold(len(part))
            self.held += len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _part(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self.whole = True
            raise Refused("CANCELLED", "The client went away.")
        part: bytes = message.get("body", b"")
        self.size += len(part)
        self.whole = not message.get("more_body")
        return part

    async def drain(self) -> None:
        """Let what is left of a refused request go by: most clients read no answer before they have sent it all."""
        if self.whole:
            return
        settings = self.app.settings
        with contextlib.suppress(TimeoutError, Refused):
            async with asyncio.timeout(settings.body_s):
                while not self.whole and self.size <= DRAINED * settings.most:
                    await self._part()

    def _unpacked(self, packed: bytes) -> bytes:
        """What gzip packed; nothing where it is damaged, as TensorFlow Serving has it."""
        worker = zlib.decompressobj(wbits=31)
        try:
            found = worker.decompress(packed, self.app.settings.most + 1)
        except zlib.error:
            return b""
        if len(found) > self.app.settings.most:
            raise self._large()
        return found if worker.eof else b""

    def _large(self) -> Refused:
        return Refused("INVALID_ARGUMENT", f"The body has more than {self.app.settings.most:,} bytes.", status=413)


def _routes(module: ModuleType) -> list[Route]:
    return list(getattr(module, "ROUTES", ()))


def refusal(error: Refused) -> Response:
    """A refusal as an answer of HTTP."""
    headers = [(b"retry-after", b"%d" % error.retry_after)] if error.retry_after else []
    headers += [(b"www-authenticate", b"Bearer")] if error.code == "UNAUTHENTICATED" else []
    return Response(error_body(error.message), error.status or HTTP[error.code], JSON, headers)


async def _send(
    send: Callable[[dict[str, Any]], Awaitable[None]], request: Request, response: Response, more: Any
) -> None:
    headers = [
        (b"content-type", response.kind.encode()),
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", request.id.encode()),
        *response.headers,
        *more,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})
