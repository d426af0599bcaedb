"""Where the file with a model's weights is: explicit path > mirror folder > the framework's own cache > network.

A mirror is a folder of files as they were downloaded. A file is looked for there under, in this order,

    REPO/FILE            timm/resnet50.a1_in1k/model.safetensors
    HOST/PATH            download.pytorch.org/models/resnet18-f37072fd.pth
    FILE                 resnet18-f37072fd.pth
    NAME.suffix          resnet50.a1_in1k.safetensors, where FILE says nothing (model.safetensors)

What comes over the network is checked by hash where the source gives one and kept in the framework's own cache, so that
the library itself finds it there, too. Nothing is fetched where the user said --offline, or set BAKEOFF_OFFLINE=1.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from bakeoff.errors import CorruptError, DataError, UsageError
from bakeoff.files import absent, fresh, opened, put, write_text
from bakeoff.protocols import Progress
from bakeoff.zoo.listing import Entry, WeightsFile, source

Origin = Literal["file", "mirror", "cache", "network"]
MIRROR, OFFLINE, HUB = "BAKEOFF_MIRROR", "BAKEOFF_OFFLINE", "https://huggingface.co"
TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 20


@dataclass(frozen=True)
class Found:
    """A file of weights on this machine.

    Attributes:
        path: where it is.
        origin: what gave it.
        sha256: of the whole file.
        weights: its record in the catalogue; None for a user's own file.
    """

    path: Path
    origin: Origin
    sha256: str
    weights: WeightsFile | None = None


def resolve(
    entry: Entry,
    weights: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Found:
    """The file with the weights of a model.

    Args:
        entry: the model.
        weights: the name of its pretrained weights, or a file; None: the library's default.
        file: a user's own file, which nothing else is asked for then.
        mirror: a folder; None: $BAKEOFF_MIRROR.
        offline: whether the network is forbidden; $BAKEOFF_OFFLINE, $HF_HUB_OFFLINE do the same.
        progress: called with (bytes, bytes in all) while it comes over the network.

    Raises:
        UsageError: the model has no such weights, or the mirror is no folder.
        DataError: the file is nowhere that may be asked; says which file to put where, and its address.
        CorruptError: the file isn't the one that the source describes.
    """
    if file is None and weights and Path(weights).is_file():  # as NAME@FILE
        file = weights
    if file is not None:
        return _given(Path(file))
    library = source(entry.source)
    if hasattr(library, "place"):
        return _in_folder(entry, library, weights, mirror, offline)
    chosen = entry.weights_named(weights)
    for origin, path in (("mirror", _mirrored(entry, chosen, mirror)), ("cache", _cached(entry, chosen))):
        if path is not None:
            return Found(path, origin, _checked(path, chosen), chosen)  # type: ignore[arg-type]
    if forbidden(offline):
        raise DataError(_missing(entry, chosen, "the network is forbidden (--offline)"))
    path = _fetch(entry, chosen, progress)
    return Found(path, "network", _checked(path, chosen), chosen)


def forbidden(offline: bool = False) -> bool:
    """Whether the network is, by the call or by the environment."""
    return offline or any(os.environ.get(name, "") not in ("", "0") for name in (OFFLINE, "HF_HUB_OFFLINE"))


def _in_folder(
    entry: Entry, library: Any, revision: str | None, mirror: str | os.PathLike[str] | None, offline: bool
) -> Found:
    """Of a library whose models are folders of several files."""
    folder = library.place(entry.model, revision, mirror=mirror, offline=offline)
    weights = library.weights(entry.model, revision, folder)
    whole = hashlib.sha256()
    for path in library.parts(folder / weights.file):
        whole.update(f"{path.name} {_digest(path, 'sha256')} ".encode())
    known = mirror or os.environ.get(MIRROR)
    origin: Origin = "mirror" if known and Path(known) in folder.parents else "cache"
    return Found(folder / weights.file, origin, whole.hexdigest(), weights)


def address(weights: WeightsFile) -> str:
    """Where the network has the file; $HF_ENDPOINT stands for the hub's address."""
    hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    return weights.address.replace(HUB, hub, 1) if weights.repo else weights.address


def _given(path: Path) -> Found:
    if not path.is_file():
        what = "is a folder." if path.is_dir() else absent(path, "file")
        raise DataError(f"--weights {path}: {what} Expected a .pth, .safetensors, .keras or .h5 file.")
    return Found(path, "file", _digest(path, "sha256"))


def _mirrored(entry: Entry, weights: WeightsFile, given: str | os.PathLike[str] | None) -> Path | None:
    chosen = given if given is not None else os.environ.get(MIRROR)
    if not chosen:
        return None
    folder = Path(chosen)
    if not folder.is_dir():
        raise UsageError(f"mirror {folder}: {absent(folder, 'folder')} Set --mirror or {MIRROR} to one, or to nothing.")
    parts = urlsplit(weights.address)
    places = [folder / parts.netloc / parts.path.lstrip("/")]
    if weights.repo:
        suffix = Path(weights.file).suffix
        places = [folder / weights.repo / weights.file, *places, folder / f"{weights.repo.split('/')[-1]}{suffix}"]
    else:
        places.append(folder / weights.file)
    return next((path for path in places if path.is_file()), None)


def _cached(entry: Entry, weights: WeightsFile) -> Path | None:
    path = _cache_path(entry, weights)
    return path if path.is_file() else None


def _cache_path(entry: Entry, weights: WeightsFile) -> Path:
    found: Path = source(entry.source).cache_path(weights)
    return found


def _checked(path: Path, weights: WeightsFile) -> str:
    """The file's SHA-256.

    Raises:
        CorruptError: it, or the MD5, is not the one that the source gives.
    """
    digest = _digest(path, "sha256")
    if weights.sha256 and not digest.startswith(weights.sha256):
        raise CorruptError(_changed(path, "SHA-256", digest, weights.sha256))
    if weights.md5 and (found := _digest(path, "md5")) != weights.md5:
        raise CorruptError(_changed(path, "MD5", found, weights.md5))
    return digest


def _changed(path: Path, kind: str, came: str, expected: str) -> str:
    return f"{path}: its {kind} is {came}, the source gives {expected}: truncated or changed. Remove it, get it anew."


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _missing(entry: Entry, weights: WeightsFile, why: str) -> str:
    named = f"{weights.repo}/{weights.file}" if weights.repo else weights.file
    return (
        f"{entry.name}: {named} is not on this machine, and {why}.\n"
        f"Get it from {address(weights)}\n"
        f"and put it at {_cache_path(entry, weights)} (or into a folder that --mirror or {MIRROR} names, "
        "or give it: --weights FILE)."
    )


# the network ----------------------------------------------------------------------------------------------------------


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows, and keeps what the hub says of the file before it sends us on: its commit and its SHA-256."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self.sent.update({key.lower(): value for key, value in headers.items()})
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise urllib.error.HTTPError(newurl, code, "sent on to an address that is not http", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(entry: Entry, weights: WeightsFile, progress: Progress | None) -> Path:
    """Download into the framework's own cache: to a temporary file first, renamed when it is whole and right."""
    target = _cache_path(entry, weights)
    redirects = _Redirects()
    opener = urllib.request.build_opener(redirects)
    request = urllib.request.Request(address(weights), headers={"User-Agent": "bakeoff"})
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            sent = {key.lower(): value for key, value in answer.headers.items()} | redirects.sent
            target = _placed(target, weights, sent)
            return _stored(answer, target, weights, sent, progress)
    except urllib.error.HTTPError as error:
        raise DataError(_missing(entry, weights, f"the address answers {error.code} {error.reason}")) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(_missing(entry, weights, f"the network doesn't reach it ({reason})")) from None


def _placed(target: Path, weights: WeightsFile, sent: dict[str, str]) -> Path:
    """In the hub's cache a file lies under its commit, which the hub names."""
    commit = sent.get("x-repo-commit", "")
    if not weights.repo or not commit.isalnum():
        return target
    folder = target.parents[2]
    ref = folder / "refs" / "main"
    write_text(ref, commit, folder)
    return folder / "snapshots" / commit / weights.file


def _stored(answer: Any, target: Path, weights: WeightsFile, sent: dict[str, str], progress: Progress | None) -> Path:
    expected = int(answer.headers.get("Content-Length") or 0)
    try:
        with fresh(target) as folder:
            made, done = folder / target.name, 0
            with os.fdopen(opened(made, os.O_WRONLY | os.O_CREAT), "wb") as file:
                while block := answer.read(BLOCK):
                    file.write(block)
                    done += len(block)
                    if progress:
                        progress(done, max(done, expected))
            if expected and done != expected:
                raise DataError(f"{target.name}: {done:,} of {expected:,} bytes came; the connection broke. Try again.")
            etag = sent.get("x-linked-etag", "").strip('"')
            if len(etag) == 64 and (found := _digest(made, "sha256")) != etag:
                raise CorruptError(_changed(target, "SHA-256", found, etag))
            _checked(made, weights)
            put(made, target)
    except (TimeoutError, ConnectionError):  # of the network
        raise
    except OSError as error:
        raise DataError(f"{target}: {error.strerror or error}. Make room, or give the file by --weights.") from None
    return target
