"""What a conversion is asked to do, checked before any framework starts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bakeoff import frameworks, registry
from bakeoff.bundle import read as read_bundle
from bakeoff.conversion.output import STATE_DICTS, TORCH, origin_of
from bakeoff.errors import UsageError
from bakeoff.zoo import listing
from bakeoff.zoo.opening import recognise

PAGE = "model.py"
PAGES = {"torch": "weights.pt", "keras": "model.weights.h5"}  # what lies beside a page
TARGETS = ("torch", "keras", "onnx", "bundle")
CHECKS = ("full", "quick")
EXTENSIONS = {"keras": (".keras",), "onnx": (".onnx",), "bundle": ("",)}
KNOWN = (*STATE_DICTS, ".pt2", ".keras", ".onnx", ".h5", ".pb")


@dataclass(frozen=True)
class Request:
    """One conversion.

    Attributes:
        source: a name as `timm/resnet50`, or a path.
        to: torch, keras, onnx or bundle.
        output: the file or folder to write.
        weights: a user's own file.
        random_weights: draw them, from the seed.
        check: full or quick.
        pictures: a folder, or an image; None: noise.
        offline: whether the network is forbidden.
        mirror: a folder of weights.
        classes: of the head, where the library builds it; None: as it was trained.
        input_size: (height, width); None: the source's own.
        kind: zoo, folder, keras, pt2 or bundle.
        framework: in which the source lives.
        batch_norm: "stock" (Keras's own layer, and stock layers throughout) or "exact" (the source's running variance).
        accept: names of what may be lost, see `Declared`; None: whatever it is.
        page: whether plain code is written, with its weights beside it.
    """

    source: str
    to: str
    output: Path
    weights: str | None = None
    random_weights: bool = False
    check: str = "full"
    pictures: str | None = None
    offline: bool = False
    mirror: str | None = None
    classes: int | None = None
    input_size: tuple[int, int] | None = None
    seed: int = 0
    kind: str = ""
    framework: str = ""
    batch_norm: str = "stock"
    accept: tuple[str, ...] | None = ()
    page: bool = False

    @property
    def target(self) -> str:
        """The framework in which the graph is rebuilt and checked."""
        if self.to == "torch":
            return "torch"
        if self.to == "keras":
            return self.framework if self.framework in ("tensorflow", "jax") else keras_backend()
        return self.framework

    @property
    def own(self) -> bool:
        """Whether the output is the source's own: a state dict for its library, or a model of Keras."""
        if self.page:
            return False
        if self.to == "torch":
            mine = self.kind in ("zoo", "folder") and self.framework == "torch"
            return mine and self.output.suffix != ".pt2"
        return self.to == "keras" and self.kind in ("zoo", "keras") and self.framework == "tensorflow"

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {**asdict(self), "output": str(self.output)}


def keras_backend() -> str:
    """tensorflow, or jax where only that is installed."""
    missing = frameworks.version("tensorflow") is None and frameworks.version("jax") is not None
    return "jax" if missing else "tensorflow"


def requested(
    source: str,
    to: str,
    output: str | Path | None = None,
    *,
    weights: str | Path | None = None,
    random_weights: bool = False,
    check: str = "full",
    pictures: str | Path | None = None,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    accept: str | Iterable[str] | None = (),
    page: bool = False,
    **others: Any,
) -> Request:
    """The request, whole and possible.

    Raises:
        UsageError: arguments that contradict each other, or an output of another format.
        MissingDependencyError: a framework that it needs isn't installed.
    """
    if to not in TARGETS:
        raise UsageError(f"--to {to}: no such target{registry.nearest(to, TARGETS)}. Expected {', '.join(TARGETS)}.")
    if check not in CHECKS:
        raise UsageError(f"--check {check}: expected full or quick{registry.nearest(check, CHECKS)}.")
    if weights is not None and random_weights:
        raise UsageError("--weights and --random-weights: give one of them.")
    kind, framework = recognise(source)
    if kind != "zoo":
        for option, given in (("--random-weights", random_weights), ("--classes", classes)):
            if given:
                raise UsageError(f"{option}: is for sources by name; {source} has its own.")
    if input_size is not None and min(input_size) < 1:
        raise UsageError(f"--input-size {input_size}: expected height and width in pixels, as 224,224.")
    if classes is not None and classes < 1:
        raise UsageError(f"--classes {classes}: expected at least 1.")
    request = Request(
        source=source,
        to=to,
        output=_page(source, to, output) if page else _output(source, to, output, kind, framework),
        weights=None if weights is None else str(weights),
        random_weights=random_weights,
        check=check,
        pictures=None if pictures is None else str(pictures),
        classes=classes,
        input_size=input_size,
        accept=names_in(accept),
        kind=kind,
        framework=framework,
        page=page,
        **others,
    )
    for name in {request.framework, request.target}:
        frameworks.require(name, f"converting {source} to {to}")
    return request


def names_in(accept: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Names, one each or with commas between them."""
    if accept is None:
        return None
    given = [accept] if isinstance(accept, str) else accept
    return tuple(dict.fromkeys(name.strip() for one in given for name in one.split(",") if name.strip()))


def _page(source: str, to: str, given: str | Path | None) -> Path:
    if to not in PAGES:
        raise UsageError(f"--source --to {to}: source code is written for torch and keras. Give one of them.")
    folder = Path(given) if given is not None else Path(f"{Path(source).name}-{to}")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {folder}: --source writes a folder, and this is a file. Choose another name.")
    return folder / PAGE


def _output(source: str, to: str, given: str | Path | None, kind: str, framework: str) -> Path:
    own = kind in ("zoo", "folder") and framework == "torch"
    allowed = EXTENSIONS.get(to) or (TORCH if own else (".pt2", *STATE_DICTS))
    folders = to == "torch" and _has_folders(source, kind)
    stem = re.sub(r"[^\w.\-]", "_", listing.split(source)[1] if kind == "zoo" else Path(source).stem) or "model"
    default = f"{stem}-torch" if own and folders else f"{stem}{allowed[0]}" if to != "bundle" else f"{stem}.bundle"
    if given is None:
        return Path(default)
    path = Path(given)
    if to == "bundle":
        return path
    if (
        folders
        and path.suffix not in KNOWN
        and (listing.writer_of(path) or not path.is_dir() or not any(path.iterdir()))
    ):
        return path
    if path.is_dir():
        return path / default
    if path.suffix in allowed:
        return path
    if path.suffix in KNOWN:
        raise UsageError(f"--output {path}: --to {to} writes {' or '.join(allowed)} here, not {path.suffix}.")
    return path.with_name(path.name + allowed[0])


def _has_folders(source: str, kind: str) -> bool:
    """Whether the library that a source is from writes folders."""
    name = origin_of(read_bundle(source)) if kind == "bundle" else source
    return name is not None and kind not in ("keras", "pt2") and hasattr(listing.source(listing.split(name)[0]), "save")
