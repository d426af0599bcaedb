"""The certificate beside an output: what was checked, on what, and all that it takes to do it again elsewhere.

Paths inside are relative to the certificate's folder; files have their SHA-256.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bakeoff.convert.request import Request
from bakeoff.parity import to_json
from bakeoff.schemas import Certificate
from bakeoff.zoo.resolve import Found

KIND = "conversion"


def place_of(output: Path) -> Path:
    """Where the certificate of an output lies."""
    return output.with_name(f"{output.name}.certificate.json")


def written(
    request: Request, info: dict[str, Any], certificate: Certificate, weights: Found | None, custom: Sequence[str]
) -> dict[str, Any]:
    """The JSON of a certificate."""
    folder = request.output.resolve().parent
    value = to_json(certificate)
    named = weights.weights if weights else None
    return {
        "schema": value["schema"],
        "kind": KIND,
        "passed": value["passed"],
        "summary": summary(request, certificate, info, custom),
        "source": request.source if request.kind == "zoo" else _relative(Path(request.source), folder),
        "source_kind": request.kind,
        "source_sha256": None if request.kind == "zoo" else digest(Path(request.source)),
        "to": request.to,
        "output": request.output.name,
        "output_sha256": digest(request.output),
        "check": request.check,
        "weights": _weights(weights, folder),
        "random_weights": request.random_weights,
        "licence": named.licence if named else None,
        "caution": named.caution if named else None,
        "pictures": _relative(Path(request.pictures), folder) if request.pictures else None,
        "classes": request.classes,
        "input_size": list(request.input_size) if request.input_size else None,
        "seed": request.seed,
        "size": info["size"],
        "fixed_size": info["fixed"],
        "head": info["head"],
        "signature": info["signature"],
        "custom_objects": list(custom),
        "notes": info["notes"],
        "checks": value["checks"],
        "environment": value["environment"],
    }


def summary(request: Request, certificate: Certificate, info: dict[str, Any], custom: Sequence[str]) -> str:
    """One line for a person."""
    passed = sum(one.passed for one in certificate.checks)
    logits = next((one for one in certificate.checks if one.name == "logits.float64"), None)
    close = f", logits {logits.difference:.0e} apart in float64" if logits else ""
    needs = f"; needs Bakeoff's layers {', '.join(custom)} to load" if custom else ""
    return (
        f"{request.source} -> {request.to}: {passed} of {len(certificate.checks)} checks passed{close}, "
        f"{info['parameters']:,} parameters{needs}"
    )


def _weights(found: Found | None, folder: Path) -> dict[str, Any] | None:
    if found is None:
        return None
    row: dict[str, Any] = {"origin": found.origin, "sha256": found.sha256 or digest(found.path)}
    if found.weights is None:
        return {**row, "file": _relative(found.path, folder)}
    return {**row, "name": found.weights.name, "file": found.weights.file, "address": found.weights.address}


def _relative(path: Path, folder: Path) -> str:
    """Relative to the certificate where the two share a disk; with forward slashes."""
    try:
        return Path(os.path.relpath(path.resolve(), folder)).as_posix()
    except ValueError:  # another drive
        return path.name


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files by name."""
    whole = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if file != path:
            whole.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()
