"""A server in this process: models, threads that compute, HTTP and gRPC in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from bakeoff.errors import BakeoffError, MissingDependencyError, UsageError
from bakeoff.serving.app import App
from bakeoff.serving.models import Given, Models
from bakeoff.serving.settings import Settings
from bakeoff.serving.watcher import Watcher
from bakeoff.serving.work import Workers
from bakeoff.shown import visible

NEEDED = (
    ("uvicorn", "HTTP"),
    ("httptools", "HTTP"),
    ("prometheus_client", "measures"),
    ("google.protobuf", "messages"),
)
DRAIN_S = 30.0  # for requests that are under way when a server ends


def to_stderr(line: str) -> None:
    """A line of the server's log."""
    to_log(f"bakeoff: {visible(line, lines=False)}")


def to_log(line: str) -> None:
    """The same, as it is."""
    print(line, file=sys.stderr, flush=True)


class Server:
    """Serves models until it is stopped; as a context manager, in a thread of its own.

    Attributes:
        rest_port: of HTTP, once it runs.
        grpc_port: of gRPC; None without it.
        models: what it serves.
    """

    def __init__(
        self, given: Sequence[Given], settings: Settings | None = None, say: Callable[[str], None] = to_stderr
    ) -> None:
        self.settings, self.say = settings or Settings(), say
        _installed(self.settings)
        names = [one.name for one in given]
        if not names or len(set(names)) < len(names):
            twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
            none = "no model was given. Name a run, a bundle, an exported file or a folder of versions."
            raise UsageError(f"{twice}: two models of one name; give --name NAME=PATH." if twice else none)
        self.models = Models(tuple(given))
        self.rest_port, self.grpc_port = self.settings.rest_port, self.settings.grpc_port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Server:
        began = threading.Event()
        self._thread = threading.Thread(target=self._in_thread, args=(began,), name="bakeoff-serve", daemon=True)
        self._thread.start()
        began.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()

    @property
    def url(self) -> str:
        """Where HTTP answers."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http{'s' if self.settings.cert else ''}://{host}:{self.rest_port}"

    def run(self, ready: Callable[[], None]) -> None:
        """Serve in this thread until `stop`, which a signal may call.

        Args:
            ready: called once it answers.

        Raises:
            BakeoffError: a model can't be loaded, or a port is taken.
        """
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve(ready))

    def stop(self) -> None:
        """End it, from any thread or a signal: it isn't ready, goes on for the grace time, finishes what it has."""
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it closed meanwhile
                self._loop.call_soon_threadsafe(self._end.set)

    def _in_thread(self, began: threading.Event) -> None:
        try:
            self.run(began.set)
        except BaseException as error:  # raised where the server was started
            self._failure = error
        finally:
            began.set()

    async def _serve(self, ready: Callable[[], None]) -> None:
        self._loop, settings = asyncio.get_running_loop(), self.settings
        watcher = Watcher(self.models, self.say, settings)
        await asyncio.to_thread(watcher.start)
        workers = Workers(settings.cores, settings.waiting)
        app = App(settings, self.models, workers, self.say, to_log)
        try:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(self._http(app))
                if settings.grpc_port is not None:
                    from bakeoff.serving import grpc_server

                    start = grpc_server.started(app)
                    self.grpc_port = await stack.enter_async_context(start)
                ready()
                await self._end.wait()
                app.stopping = True
                await asyncio.sleep(settings.grace_s)
        finally:
            watcher.stop()
            workers.close()

    @contextlib.asynccontextmanager
    async def _http(self, app: App) -> Any:
        import uvicorn

        from bakeoff.serving.http_connection import connection

        with contextlib.closing(_bound(self.settings.host, self.settings.rest_port)) as bound:
            self.rest_port = bound.getsockname()[1]
            config = uvicorn.Config(
                app,  # type: ignore[arg-type]
                http=connection(self.settings),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                limit_concurrency=self.settings.connections,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=int(DRAIN_S),
                ssl_certfile=self.settings.cert,
                ssl_keyfile=self.settings.key,
            )
            server = _Uvicorn(config)
            with _named(self.settings):
                config.load()
            task = asyncio.create_task(server.serve(sockets=[bound]))
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
            try:
                yield
            finally:
                server.should_exit = True
                await task


def _installed(settings: Settings) -> None:
    needed = [*NEEDED, *([("grpc", "gRPC")] if settings.grpc_port is not None else [])]
    for name, purpose in needed:
        if find_spec(name) is None:
            raise MissingDependencyError(name.partition(".")[0], "serve", f"serving ({purpose})")


def _loop_factory() -> Any:
    if find_spec("uvloop") is None:  # there is none for Windows
        return None
    import uvloop

    return uvloop.new_event_loop


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host.strip("[]"), port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{host}:{port}: can't be listened at ({why}). Choose another: --rest-port 0") from None


@contextmanager
def _named(settings: Settings) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl's own are among them
        raise BakeoffError(f"{settings.cert}, {settings.key}: no certificate with its key ({error}).") from None


def _Uvicorn(config: Any) -> Any:  # noqa: N802 - a class, made where uvicorn is there
    import uvicorn

    class Quiet(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Signals are ours."""
            yield

    return Quiet(config)
