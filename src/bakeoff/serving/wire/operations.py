"""What looks after a server: whether it lives, whether it is ready, what it measures, what it answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakeoff.serving.metrics import TYPE
from bakeoff.serving.refused import invalid
from bakeoff.serving.wire import Request, Response, Route

if TYPE_CHECKING:
    from bakeoff.serving.app import App

READ = ("GET", "HEAD")


async def live(app: App, request: Request, match: re.Match[str]) -> Response:
    """200, as long as it can say so."""
    return Response(b'{"live": true}\n')


async def ready(app: App, request: Request, match: re.Match[str]) -> Response:
    """200, or 503 while it loads, and once it was told to stop."""
    return Response(b'{"ready": true}\n' if app.ready else b'{"ready": false}\n', 200 if app.ready else 503)


async def metrics(app: App, request: Request, match: re.Match[str]) -> Response:
    """The measures, as Prometheus reads them."""
    if request.path not in ("/metrics", app.settings.metrics_path):
        raise invalid(f"Unexpected path: {request.path}. Should be {app.settings.metrics_path}")
    return Response(app.metrics.text(), kind=TYPE)


ROUTES = [
    Route(READ, re.compile("/healthz"), live, free=True),
    Route(READ, re.compile("/readyz"), ready, free=True),
    Route(READ, re.compile("/metrics|/monitoring/.*"), metrics),
]
