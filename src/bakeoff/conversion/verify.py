"""A certificate, run again: the same source, the same questions, the file that lies beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from bakeoff import zoo
from bakeoff.conversion.accepting import same
from bakeoff.conversion.certificate import Stored, beside_of, digest, read, written
from bakeoff.conversion.contents import different, listed
from bakeoff.conversion.delivery import Delivery
from bakeoff.conversion.request import PAGE, Request, requested
from bakeoff.conversion.session import Session
from bakeoff.errors import BakeoffError, CorruptError, DataError, UsageError
from bakeoff.given import held
from bakeoff.parity import check
from bakeoff.parity.tolerance import JUDGE, NOISE
from bakeoff.schemas import Certificate, Check
from bakeoff.workers.channel import Listener
from bakeoff.workers.progress import live
from bakeoff.zoo.resolve import Found, resolve

SAID = ("licence", "caution", "size", "fixed_size", "head", "signature", "custom_objects", "notes")
NAMING = ("output.contents", "certificate.says")  # checks whose details name what differs


@held
@live()
def verify(
    path: str | Path,
    *,
    offline: bool = False,
    mirror: str | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Certificate:
    """The checks of a certificate, run again on this machine; `.passed` says whether they hold.

    Args:
        path: NAME.certificate.json, as `convert` writes it; what was converted lies beside it.
        offline: only what is on this machine already.
        mirror: where weights are looked for first, as for `convert`.
        listen: told how far it is; None: a bar, unless `quiet`.

    Raises:
        CorruptError: the certificate was edited; the output, the source or the weights are not the ones that were
            certified. What is another in them is named, as far as they can be read.
        DataError: one of them is not there; or the file is no certificate.
        VersionError: a certificate of another schema.
    """
    path = Path(path)
    stored, was, sealed = read(path)
    output = path.parent / stored.output
    changed = [] if sealed else [f"{path}: its text is not the one that was sealed."]
    changed += _changed(output, stored.output_sha256, "the output")
    if stored.sidecar_sha256 is not None:
        changed += _changed(beside_of(output, stored.to), stored.sidecar_sha256, "what lies beside the output")
    try:
        request = _request(stored, path, offline, mirror, changed)
        weights = _weights(stored, request, changed)
        if changed:  # what differs is to be named, no more
            request = replace(request, check="quick")
        found = _again(request, weights, listen, stored, was)
    except BakeoffError as error:
        raise CorruptError(f"{changed[0]}\n{error}") if changed else error from None
    if changed:
        named = [one.detail for one in found.checks if one.name in NAMING and not one.passed]
        raise CorruptError("\n".join([changed[0], *(named or ["What it says and holds is what it was."])]))
    return found


def _again(
    request: Request, weights: Found | None, listen: Listener | None, stored: Stored, was: Certificate
) -> Certificate:
    with Session(request, weights, listen) as session, Delivery(session) as delivery:
        again = session.check()
        same = delivery.as_meant(request.output)
        if not same.passed:  # and so it isn't run
            return replace(again, checks=(*again.checks, same))
        again = replace(again, checks=(*again.checks, *delivery.read_back(request.output), same))
        fresh = written(request, session.described, was, weights, delivery.custom)
        return replace(again, checks=(*again.checks, *_kept(stored, was, again, fresh)))


def _kept(stored: Stored, was: Certificate, again: Certificate, fresh: dict[str, Any]) -> list[Check]:
    """Whether the certificate says what is found here; its figures may differ by the machine's rounding alone."""
    then, now = ({one.name: one for one in each.checks} for each in (was, again))
    names = sorted(set(then) ^ set(now))
    wider = {name: then[name].tolerance / max(now[name].tolerance, 1e-300) for name in set(then) & set(now)}
    most = max(wider, key=lambda name: wider[name], default="")
    said, says = (
        {**{key: each[key] for key in SAID}, "summary": each["summary"].rpartition(" -> ")[2]}
        for each in (json.loads(text) for text in (msgspec.json.encode(stored), json.dumps(fresh)))
    )
    declared = check(
        "certificate.declared",
        float(not same(was.declared, again.declared)),
        0.0,
        f"what isn't kept, here: {'; '.join(map(str, again.declared)) or 'nothing'}",
    )
    if stored.judge != JUDGE:  # its checks had other names, limits and figures
        del said["summary"], says["summary"]
        older = f"of judge {stored.judge}, and this is {JUDGE}: all was judged anew; convert again for its words"
        other = different(said, says)
        return [declared, check("certificate.says", float(len(other)), 0.0, f"{listed(other)} ({older})")]
    other = different(said, says)
    return [
        check("certificate.checks", float(len(names)), 0.0, f"names on one side alone: {', '.join(names) or 'none'}"),
        check(
            "certificate.tolerances",
            wider.get(most, 0.0) if wider.get(most, 0.0) > 1 else 0.0,
            NOISE,
            f"its widest against the one that holds here ({most}); noise floors differ from machine to machine",
        ),
        declared,
        check("certificate.says", float(len(other)), 0.0, listed(other)),
    ]


def _request(stored: Stored, path: Path, offline: bool, mirror: str | None, changed: list[str]) -> Request:
    folder = path.parent
    source = stored.source
    if stored.source_kind != "zoo":
        place = folder / source
        changed += _changed(place, stored.source_sha256, "the source")
        source = str(place)
    elif not zoo.is_name(source):
        raise UsageError(f"{path}: its source {source!r} is no name that this version knows.")
    weights = stored.weights
    request = requested(
        source,
        stored.to,
        folder if stored.output == PAGE else folder / stored.output,
        page=stored.output == PAGE,
        weights=folder / weights.file if weights and weights.address is None else None,
        random_weights=stored.random_weights,
        check=stored.check,
        pictures=folder / stored.pictures if stored.pictures else None,
        classes=stored.classes,
        input_size=stored.input_size,
        seed=stored.seed,
        accept=None,
        offline=offline,
        mirror=mirror,
    )
    if request.kind != stored.source_kind or request.output.name != stored.output:
        raise CorruptError(
            f"{path}: {source} is a source of kind {request.kind}, and becomes {request.output.name}; the certificate "
            f"says {stored.source_kind} and {stored.output}."
        )
    return request


def _weights(stored: Stored, request: Request, changed: list[str]) -> Found | None:
    recorded = stored.weights
    if recorded is None:
        return None
    if request.weights is not None:
        changed += _changed(Path(request.weights), recorded.sha256, "the file of weights")
        return Found(Path(request.weights), "file", recorded.sha256)
    entry = zoo.entry(request.source)
    found = resolve(entry, recorded.name, offline=request.offline, mirror=request.mirror)
    held = found.sha256 or digest(found.path)
    if held != recorded.sha256:
        changed.append(f"{found.path}: not the weights that were certified ({held}, expected {recorded.sha256}).")
    return found


def _changed(path: Path, expected: str | None, what: str) -> list[str]:
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        raise DataError(f"{path}: {what} of the certificate isn't there. Keep the files as convert wrote them.")
    if digest(path) == expected:
        return []
    return [f"{path}: {what} was changed since it was certified (its SHA-256 is another)."]
