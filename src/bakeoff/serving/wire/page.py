"""The page at /, and what it asks: cards, answers, heat maps, and pictures to keep. No other page may ask these.

A page of another site can send a POST to any address without reading the answer. So each has to come from this page:
by Origin and Sec-Fetch-Site, where a browser says them, and by a header that no other page may set unasked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from bakeoff.errors import BakeoffError
from bakeoff.serving.model import Served
from bakeoff.serving.page import html
from bakeoff.serving.page.answers import answer, looked_at
from bakeoff.serving.page.cards import card
from bakeoff.serving.page.collect import fit
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.wire import Request, Response, Route

if TYPE_CHECKING:
    from bakeoff.serving.app import App

HEADER = "x-bakeoff-page"


async def page(app: App, request: Request, match: re.Match[str]) -> Response:
    """The page itself; it asks for the token, if there is one."""
    return Response(html.page(), kind="text/html; charset=utf-8", headers=html.headers())


async def models(app: App, request: Request, match: re.Match[str]) -> Response:
    """The cards of all models, and whether pictures are kept."""

    def cards() -> bytes:
        found = [card(one) for one in _served(app)]
        keeps = [name for one in found for name in one["classes"] if fit(name)] if app.collection else None
        return _json({"models": found, "keeps": None if keeps is None else sorted(set(keeps))})

    return Response(await app.work(request, cards))


async def predicted(app: App, request: Request, match: re.Match[str]) -> Response:
    """The answer of a model, `?model=`, to the picture that is the body."""
    return await _asked(app, request, lambda served, body, _: answer(served, body))


async def heat(app: App, request: Request, match: re.Match[str]) -> Response:
    """The heat map of `?label=` in the picture; of the most probable class without it."""
    return await _asked(app, request, looked_at)


async def keep(app: App, request: Request, match: re.Match[str]) -> Response:
    """Keep the picture that is the body in the folder of `?label=`, a class of one of the models."""
    same_origin(request)
    collection, label = app.collection, _query(request).get("label", "")
    if collection is None:
        raise Refused("PERMISSION_DENIED", "This server keeps no pictures: it was started without --collect.")
    if not any(label in one.opened.classes for one in _served(app)):
        raise invalid("No model here has this class.")
    app.workers.admit()
    body = await request.read()

    def kept() -> bytes:
        try:
            return _json({"kept": collection.keep(body, label)})
        except BakeoffError as error:  # a full disk; it names the folder, which is for the log alone
            app.say(str(error))
            raise Refused("RESOURCE_EXHAUSTED", "The picture can't be written; the log says why.", status=507) from None

    return Response(await app.work(request, kept))


async def _asked(app: App, request: Request, ask: Callable[[Served, bytes, str | None], dict[str, Any]]) -> Response:
    same_origin(request)
    given = _query(request)
    served = app.models.find(given.get("model", ""))
    request.model = served.name
    app.workers.admit()
    body = await request.read()
    return Response(await app.work(request, lambda: _json(ask(served, body, given.get("label")))))


def _served(app: App) -> list[Served]:
    """The newest version of each model that answers."""
    return [app.models.find(name) for name in app.models.given if app.models.available(name)]


def same_origin(request: Request) -> None:
    """Refuse what doesn't come from the page of this very server.

    Raises:
        Refused: it doesn't.
    """
    headers = request.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:  # said by the browser, and right behind a proxy that changes the host, too
        own = site == "same-origin"
    else:
        own = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
    if not own or HEADER not in headers:
        raise Refused("PERMISSION_DENIED", "Only the page of this server may ask this.")


def _query(request: Request) -> dict[str, str]:
    try:
        found = parse_qs(request.target.partition("?")[2], keep_blank_values=True, errors="strict", max_num_fields=8)
    except ValueError:
        raise invalid("The query can't be read.") from None
    return {name: values[0] for name, values in found.items()}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


ROUTES = [
    Route(("GET", "HEAD"), re.compile("/"), page, free=True),
    Route(("GET",), re.compile("/page/models"), models),
    Route(("POST",), re.compile("/page/predict"), predicted),
    Route(("POST",), re.compile("/page/heatmap"), heat),
    Route(("POST",), re.compile("/page/keep"), keep),
]
