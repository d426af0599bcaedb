"""The server's gRPC, in the same event loop: generic handlers, which get bytes; messages are read by the workers."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bakeoff.errors import UsageError
from bakeoff.serving import guard
from bakeoff.serving.app import App
from bakeoff.serving.refused import Refused

FREE = ("/grpc.health.v1.Health/", *(f"/inference.GRPCInferenceService/Server{what}" for what in ("Live", "Ready")))
LONGEST, CUT = 1024, "...TRUNCATED"  # of a message, as TensorFlow Serving cuts it
GRACE_S = 30.0
BESIDE = 32  # calls beyond those that wait: of health, of metadata


@dataclass
class Call:
    """A call, as a handler sees it; see `wire.Request`."""

    target: str
    deadline_s: float
    id: str
    model: str = ""
    method: str = "POST"


@contextlib.asynccontextmanager
async def started(app: App) -> Any:
    """The port of a server of gRPC, which ends behind `with`."""
    import grpc

    settings = app.settings
    options = [
        ("grpc.max_receive_message_length", settings.most),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    most = settings.waiting + settings.cores + BESIDE
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=most)
    for protocol, module in app.protocols.items():
        for service, methods in getattr(module, "SERVICES", {}).items():
            handlers = {name: _handler(app, protocol, f"/{service}/{name}", one) for name, one in methods.items()}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.grpc_port}"
    try:
        if settings.cert is not None and settings.key is not None:
            pair = (settings.key.read_bytes(), settings.cert.read_bytes())
            port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            port = server.add_insecure_port(address)
    except RuntimeError:
        raise UsageError(f"{address}: can't be listened at. Choose another: --grpc-port 0") from None
    await server.start()
    try:
        yield port
    finally:
        await server.stop(GRACE_S)


def _handler(app: App, protocol: str, target: str, method: Callable[[App, bytes, Any], Awaitable[bytes]]) -> Any:
    import grpc

    async def handle(content: bytes, context: Any) -> bytes:
        begun, left, refused = time.perf_counter(), context.time_remaining(), None
        given = dict(context.invocation_metadata() or ())
        deadline = app.settings.timeout_s if left is None else min(left, app.settings.timeout_s)
        call = Call(target, deadline, str(given.get("x-request-id", ""))[:128] or secrets.token_hex(8))
        try:
            if not target.startswith(FREE):
                guard.token(app.settings, str(given.get("authorization", "")))
            return await method(app, content, call)
        except Refused as error:
            refused = error
        except Exception as error:  # a mistake of ours: said in the log alone
            refused = app.broken(error)
        finally:
            app.note(protocol, call, refused.code if refused else "OK", begun, {"client": context.peer()})
        await _refuse(context, refused)
        raise AssertionError("abort raises")

    return grpc.unary_unary_rpc_method_handler(handle)


async def _refuse(context: Any, refused: Refused) -> None:
    import grpc

    message = refused.message if len(refused.message) <= LONGEST else refused.message[:LONGEST] + CUT
    trailing = (("retry-after", str(refused.retry_after)),) if refused.retry_after else ()
    await context.abort(getattr(grpc.StatusCode, refused.code), message, trailing)
