"""Who may ask: the Host header, where a page came from, the token.

A page of any site can have its visitor's browser send requests to this machine. By DNS rebinding it could even read the
answers, since then its own name leads here: so at a loopback address the Host header has to be one, and a page that is
named in Origin, too.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from bakeoff.serving.refused import Refused
from bakeoff.serving.settings import Settings, is_loopback

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|((?:[\w-]+\.)*[\w-]+\.?))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def check(settings: Settings, headers: Mapping[str, str], *, free: bool) -> None:
    """Let a request of HTTP in.

    Args:
        headers: by lower-case name.
        free: whether it needs no token.

    Raises:
        Refused: it may not ask.
    """
    if settings.local and not is_loopback(_host(headers.get("host", ""))):
        raise Refused("PERMISSION_DENIED", "The Host header names no loopback address.")
    origin = headers.get("origin")
    if settings.local and not settings.cors and origin is not None and not is_loopback(_page(origin)):
        raise Refused("PERMISSION_DENIED", "Pages of other sites may not ask this server.")
    if not free:
        token(settings, headers.get("authorization", ""))


def token(settings: Settings, given: str) -> None:
    """Hold `Bearer TOKEN` against the server's.

    Raises:
        Refused: it is another.
    """
    wanted = f"Bearer {settings.token}".encode()
    if settings.token and not hmac.compare_digest(given.encode("utf-8", "replace"), wanted):
        raise Refused("UNAUTHENTICATED", "A token is needed: Authorization: Bearer TOKEN")


def _host(text: str) -> str:
    """The name or address in `HOST[:PORT]`; "" where it is anything else.

    Libraries that read URLs differ in what `evil.com\\@localhost` names. A browser sends no user, path or blank here.
    """
    found = _HOST.fullmatch(text)
    return (found[1] or found[2]) if found else ""


def _page(origin: str) -> str:
    scheme, _, host = origin.partition("://")
    return _host(host) if scheme.lower() in ("http", "https") else ""
