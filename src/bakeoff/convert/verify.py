"""A certificate, run again: the same source, the same questions, the file that lies beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import zoo
from bakeoff.convert.api import Work
from bakeoff.convert.certificate import KIND, digest
from bakeoff.convert.request import Request, requested
from bakeoff.errors import CorruptError, DataError, UsageError
from bakeoff.parity import from_json
from bakeoff.schemas import Certificate
from bakeoff.train.channel import Listener
from bakeoff.zoo.resolve import Found, resolve


def verify(
    path: str | Path, *, offline: bool = False, mirror: str | None = None, listen: Listener | None = None
) -> Certificate:
    """The checks of a certificate, run again on this machine; `.passed` says whether they hold.

    Raises:
        CorruptError: the output, the source or the weights are not the ones that were certified.
        DataError: one of them is not there; or the file is no certificate.
        VersionError: a certificate of another schema.
    """
    path = Path(path)
    value = _read(path)
    request = _request(value, path, offline, mirror)
    output = path.parent / value["output"]
    _same(output, value["output_sha256"], "the output")
    weights = _weights(value, request, path)
    with Work(request, weights, listen) as work:
        certificate = work.check()
        return replace(certificate, checks=(*certificate.checks, *work.read_back(output)))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Expected NAME.certificate.json, as convert writes it.") from None
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{path}: not readable as JSON ({error}). Copy the certificate anew.") from None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise DataError(
            f"{path}: no certificate of a conversion.\nExpected NAME.certificate.json, as convert writes it."
        )
    try:
        from_json(value)
        for key, kind in {
            "source": str,
            "source_kind": str,
            "to": str,
            "output": str,
            "check": str,
            "seed": int,
        }.items():
            if not isinstance(value[key], kind):
                raise TypeError(f"{key} is {value[key]!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptError(f"{path}: damaged or edited ({error}). Copy the certificate anew.") from None
    return value


def _request(value: dict[str, Any], path: Path, offline: bool, mirror: str | None) -> Request:
    folder = path.parent
    source = value["source"]
    if value["source_kind"] != "zoo":
        place = folder / source
        _same(place, value["source_sha256"], "the source")
        source = str(place)
    elif not zoo.is_name(source):
        raise UsageError(f"{path}: its source {source!r} is no name that this version knows.")
    weights = value["weights"]
    own = folder / weights["file"] if weights and "file" in weights and "address" not in weights else None
    size = value["input_size"]
    return requested(
        source,
        value["to"],
        folder / value["output"],
        weights=own if value["source_kind"] == "zoo" or own is not None else None,
        random_weights=bool(value["random_weights"]),
        check=value["check"],
        pictures=folder / value["pictures"] if value["pictures"] else None,
        classes=value["classes"],
        input_size=(int(size[0]), int(size[1])) if size else None,
        seed=value["seed"],
        offline=offline,
        mirror=mirror,
    )


def _weights(value: dict[str, Any], request: Request, path: Path) -> Found | None:
    said = value["weights"]
    if said is None:
        return None
    if request.weights is not None:
        _same(Path(request.weights), said["sha256"], "the file of weights")
        return Found(Path(request.weights), "file", said["sha256"])
    entry = zoo.entry(request.source)
    found = resolve(entry, said["name"], offline=request.offline, mirror=request.mirror)
    if found.sha256 != said["sha256"]:
        raise CorruptError(
            f"{found.path}: not the weights that were certified (SHA-256 {found.sha256}, expected {said['sha256']})."
        )
    return found


def _same(path: Path, expected: str | None, what: str) -> None:
    if not path.exists():
        raise DataError(f"{path}: {what} of the certificate isn't there. Keep the files as convert wrote them.")
    if expected is not None and digest(path) != expected:
        raise CorruptError(f"{path}: {what} was changed since it was certified (its SHA-256 is another).")
