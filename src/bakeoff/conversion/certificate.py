"""The certificate beside an output: what was checked, on what, and all that it takes to do it again elsewhere.

Paths inside are relative to the certificate's folder; files have their SHA-256, and the text itself has one (`seal`),
so that an edit is told from a difference. A seal is no signature: who edits a certificate and seals it anew meets
`verify`, which believes nothing of it but what to ask.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from bakeoff.bundle.read import folder_of
from bakeoff.conversion.questions import Described
from bakeoff.conversion.request import PAGE, PAGES, Request
from bakeoff.errors import CorruptError, DataError
from bakeoff.files import absent, content, named, regular
from bakeoff.parity import from_json, to_json
from bakeoff.parity.tolerance import JUDGE
from bakeoff.runtimes.keras_file import sidecar
from bakeoff.schemas import Certificate, Declared
from bakeoff.zoo.listing import source, writer_of
from bakeoff.zoo.resolve import Found

KIND = "conversion"
SUFFIX = ".certificate.json"

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Side = Annotated[int, msgspec.Meta(ge=1, le=1 << 14)]  # pixels
Classes = Annotated[int, msgspec.Meta(ge=1, le=1 << 15)]  # ImageNet-21k has 21,841; each has a row in two nets
MOST_PIXELS = 1 << 22  # of an image that others ask about: two nets are trained on some
MOST_BYTES = 256 << 30  # that are hashed: a link to the kernel's own memory says it has 128 TB
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class Weights(msgspec.Struct, frozen=True):
    """Where the weights were: a user's own file, or one that the library of the source names."""

    sha256: Digest
    file: Text
    origin: str = ""
    name: str | None = None
    address: str | None = None


class Row(msgspec.Struct, frozen=True):
    """A check as it was written."""

    name: Text
    difference: Annotated[float, msgspec.Meta(ge=0)]
    tolerance: Annotated[float, msgspec.Meta(ge=0)]
    passed: bool
    detail: str


class Stored(msgspec.Struct, frozen=True):
    """A certificate's JSON: what `written` gives, field by field."""

    passed: bool
    summary: str
    source: Text
    source_kind: Literal["zoo", "folder", "keras", "pt2", "bundle"]
    source_sha256: Digest | None
    to: Text
    output: Text
    output_sha256: Digest
    sidecar_sha256: Digest | None
    check: Literal["full", "quick"]
    weights: Weights | None
    random_weights: bool
    licence: str | None
    caution: str | None
    pictures: Text | None
    classes: Classes | None
    input_size: tuple[Side, Side] | None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    size: tuple[Side, Side]
    fixed_size: bool
    head: str | None
    signature: dict[str, Any]
    custom_objects: list[str]
    notes: list[str]
    checks: Annotated[list[Row], msgspec.Meta(min_length=1)]
    environment: dict[str, str]
    declared: tuple[Declared, ...] = ()
    verdict: Literal["passed", "declared"] = "passed"
    judge: int = 1


def place_of(output: Path) -> Path:
    """Where the certificate of an output lies."""
    return output.with_name(output.name + SUFFIX)


def beside_of(output: Path, to: str) -> Path:
    """What belongs to an output and lies beside it: a page's weights, or what a `.keras` file can't hold."""
    return output.with_name(PAGES[to]) if output.name == PAGE and to in PAGES else sidecar(output)


def written(
    request: Request, source: Described, certificate: Certificate, weights: Found | None, custom: Sequence[str]
) -> dict[str, Any]:
    """The JSON of a certificate."""
    folder = request.output.resolve().parent
    value = to_json(certificate)
    named = weights.weights if weights else None
    beside = beside_of(request.output, request.to)
    text = {
        "schema": value["schema"],
        "kind": KIND,
        "passed": value["passed"],
        "verdict": value["verdict"],
        "declared": value["declared"],
        "summary": summary(request, certificate, source, custom),
        "source": request.source if request.kind == "zoo" else _relative(Path(request.source), folder),
        "source_kind": request.kind,
        "source_sha256": None if request.kind in ("zoo", "live") else digest(Path(request.source)),
        "to": request.to,
        "output": request.output.name,
        "output_sha256": digest(request.output),
        "sidecar_sha256": digest(beside) if beside.is_file() else None,
        "check": request.check,
        "judge": JUDGE,
        "weights": _weights(weights, folder),
        "random_weights": request.random_weights,
        "licence": named.licence if named else None,
        "caution": named.caution if named else None,
        "pictures": _relative(Path(request.pictures), folder) if request.pictures else None,
        "classes": request.classes,
        "input_size": list(request.input_size) if request.input_size else None,
        "seed": request.seed,
        "size": list(source.size),
        "fixed_size": source.fixed,
        "sizes": source.sizes,
        "head": source.head,
        "signature": source.signature,
        "custom_objects": list(custom),
        "notes": list(source.notes),
        "checks": value["checks"],
        "environment": value["environment"],
    }
    return {**text, "seal": seal(text)}


def seal(value: Mapping[str, Any]) -> str:
    """SHA-256 of all that a certificate says, its own seal left out."""
    content = {key: one for key, one in value.items() if key != "seal"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read(path: Path) -> tuple[Stored, Certificate, bool]:
    """A certificate that was written here, whole and in agreement with itself; and whether its seal is.

    Raises:
        DataError: there is none, or it is something else.
        VersionError: of another schema.
        CorruptError: truncated, or it contradicts itself.
    """
    try:
        value = msgspec.json.decode(content(path))
    except OSError as error:
        what = f"{error.strerror}." if path.exists() else absent(path, "file")
        raise DataError(f"{path}: {what} Expected NAME{SUFFIX}, as convert writes it.") from None
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{path}: not readable as JSON ({error}). Copy the certificate anew.") from None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise DataError(f"{path}: no certificate of a conversion.\nExpected NAME{SUFFIX}, as convert writes it.")
    with named(path, "Copy the certificate anew."):
        certificate = from_json(value)
        stored = msgspec.convert(value, Stored)
        _contradiction(stored, certificate, path)
    return stored, certificate, value.get("seal") == seal(value)


def _contradiction(stored: Stored, certificate: Certificate, path: Path) -> None:
    """What can be seen without running anything.

    Raises:
        ValueError: it contradicts itself; says where.
    """
    if stored.output != Path(stored.output).name or path.name != stored.output + SUFFIX:
        raise ValueError(f"it certifies {stored.output!r}, and should be called {Path(stored.output).name}{SUFFIX}")
    if (stored.source_sha256 is None) != (stored.source_kind == "zoo"):
        raise ValueError(f"source_sha256 is {stored.source_sha256!r} for a source of kind {stored.source_kind}")
    for height, width in (stored.size, stored.input_size or stored.size):
        if height * width > MOST_PIXELS:
            raise ValueError(f"it asks about images of {height} x {width}")
    names = [row.name for row in stored.checks]
    if len(set(names)) != len(names):
        raise ValueError("a check stands in it twice")
    for row, again in zip(stored.checks, certificate.checks, strict=True):
        if not (row.passed and again.passed):
            raise ValueError(f"{row.name} did not pass: {row.difference:.1e}, tolerance {row.tolerance:.1e}")
    if stored.verdict and stored.verdict != certificate.verdict:
        raise ValueError(f"its verdict is {stored.verdict!r}, and it declares {len(stored.declared)} losses")
    if not stored.passed:
        raise ValueError("passed is false")


def summary(request: Request, certificate: Certificate, source: Described, custom: Sequence[str]) -> str:
    """One line for a person."""
    passed = sum(one.passed for one in certificate.checks)
    logits = next((one for one in certificate.checks if one.name == "logits.given"), None)
    close = f", logits {logits.difference:.0e} apart in float64" if logits else ""
    lost = f"; declared: {', '.join(one.name for one in certificate.declared)}" if certificate.declared else ""
    needs = f"; needs Bakeoff's layers {', '.join(custom)} to load" if custom else ""
    return (
        f"{request.source} -> {request.to}: {passed} of {len(certificate.checks)} checks passed{close}, "
        f"{source.parameters:,} parameters{needs}{lost}"
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
    """SHA-256 of a file, or of a folder's files by name and size.

    Raises:
        DataError: neither a file nor a folder of files; or they are larger than nets are.
    """
    whole = hashlib.sha256()
    library = writer_of(path)
    files = source(library).parts(source(library).weights_of(path)) if library else []
    within = path.rglob("*") if folder_of(path) else ()  # of a run or bundle; "/" is none
    files = files or ([path] if path.is_file() else sorted(p for p in within if not p.is_dir()))
    odd = [file for file in files if not file.is_file()] or ([] if files else [path])
    if odd:
        raise DataError(f"{odd[0]}: no file that can be read. Keep the files as convert wrote them.")
    if (size := sum(file.stat().st_size for file in files)) > MOST_BYTES:
        raise DataError(f"{path}: {size:,} bytes, more than a net has. Keep the files as convert wrote them.")
    for file in files:
        if file != path:
            name = file.relative_to(path).as_posix()
            whole.update(f"{len(name.encode())} {name} {file.stat().st_size} ".encode())
        with regular(file) as stream:
            while block := stream.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()
