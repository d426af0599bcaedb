"""The page as it is sent, and what a browser may do with it: run the script and the styles inside, ask this server."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).with_name("page.html")
INSIDE = re.compile(rb"<(style|script)>(.*?)</\1>", re.DOTALL)


@cache
def page() -> bytes:
    """The file."""
    return PAGE.read_bytes()


@cache
def headers() -> list[tuple[bytes, bytes]]:
    """What goes with it. The policy names the hashes of the script and the styles, so that nothing that is written
    into the page at any later time is run."""
    found = {
        kind.decode(): base64.b64encode(hashlib.sha256(text).digest()).decode() for kind, text in INSIDE.findall(page())
    }
    policy = [
        "default-src 'none'",
        *(f"{kind}-src 'sha256-{digest}'" for kind, digest in found.items()),
        "img-src blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return [
        (b"content-security-policy", "; ".join(policy).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-cache"),
    ]
