"""`convert`: what has a name or lies in a file."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from bakeoff import zoo
from bakeoff.conversion.delivery import Converted, Delivery, report
from bakeoff.conversion.request import Request, requested
from bakeoff.conversion.session import Session
from bakeoff.errors import ParityError, UsageError
from bakeoff.schemas import Certificate
from bakeoff.workers.channel import Listener
from bakeoff.zoo.resolve import Found, resolve


def convert_source(
    source: str,
    to: str,
    output: str | Path | None = None,
    *,
    listen: Listener | None = None,
    **options: Any,
) -> Converted:
    """Convert what has a name or lies in a file; see `Request` for the options.

    Raises:
        ParityError: a check failed or could not be decided; nothing was written but the report of the first layer that
            differs.
        BakeoffError: it can't be converted; says why, before any output.
    """
    request = requested(source, to, output, **options)
    with Session(request, weights_of(request, listen), listen) as session, Delivery(session) as delivery:
        certificate = session.check()
        if not certificate.passed:
            raise failed(session, certificate)
        certificate = replace(certificate, checks=(*certificate.checks, *delivery.write()))
        if not certificate.passed:
            raise failed(session, certificate)
        return delivery.finish(certificate)


def weights_of(request: Request, listen: Listener | None) -> Found | None:
    """The file with the weights; None where they are drawn, or lie in the source."""
    if request.kind != "zoo":
        return Found(Path(request.weights), "file", "") if request.weights else None
    if request.random_weights:
        return None
    entry = zoo.entry(request.source)
    _, _, tag = zoo.listing.split(request.source)

    def progress(done: int, total: int) -> None:
        if listen:
            listen({"kind": "progress", "phase": "download", "done": done, "total": total, "unit": "bytes", "note": ""})

    found = resolve(entry, tag, file=request.weights, mirror=request.mirror, offline=request.offline, progress=progress)
    if found.weights is not None and request.classes not in (None, entry.classes):
        raise UsageError(
            f"--classes {request.classes}: the pretrained head of {entry.name} has {entry.classes}.\n"
            "Give a file with your own head (--weights FILE), or --random-weights; train a new head: "
            f"bakeoff train DATA --backbone {entry.name}."
        )
    if found.weights is not None and found.weights.caution and listen:
        listen({"kind": "log", "text": f"licence of {entry.name}: {found.weights.caution}"})
    return found


def failed(session: Session, certificate: Certificate) -> ParityError:
    """The error for a certificate that did not pass, once its report is written."""
    path = report(session, certificate)
    return ParityError(f"{message(session.request, certificate)}\nNothing was written but the report: {path}")


def message(request: Request, certificate: Certificate) -> str:
    """In a line: how many checks failed, and the first of them; or that none could be decided."""
    wrong = [one for one in certificate.checks if not one.passed]
    for_certain = [one for one in wrong if one.decided]
    first = (for_certain or wrong)[0]
    figure = f"{first.difference:.1e}, tolerance {first.tolerance:.1e}" if isfinite(first.difference) else first.detail
    head = f"{request.source} to {request.to}"
    if not for_certain:
        return (
            f"{head}: not decided: rounding alone moves the source itself as far as the two are apart, or it hardly "
            f"reads its images: nothing is proved ({len(wrong)} of {len(certificate.checks)} checks, the first "
            f"{first.name}: {figure})."
        )
    return f"{head}: {len(wrong)} of {len(certificate.checks)} checks failed, the first {first.name}: {figure}."
