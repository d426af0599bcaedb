"""A source in its own process: the live net, its graph, what it wants of an image, the way back to its library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bakeoff import bundle as bundles
from bakeoff import checkpoints, frameworks
from bakeoff.bundle.layout import MULTI_LABEL
from bakeoff.errors import DataError, UnsupportedError, UsageError
from bakeoff.files import absent, content
from bakeoff.graph.graph import Graph
from bakeoff.graph.penalties import said
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Array, Declared
from bakeoff.zoo import foreign, listing
from bakeoff.zoo.matching import matched

RGB, GREY = 3, 1
SUFFIXES = {".keras": ("keras", "tensorflow"), ".h5": ("keras", "tensorflow"), ".pt2": ("pt2", "torch")}


@dataclass(frozen=True)
class Source:
    """What there is to convert.

    Attributes:
        text: as the user typed it.
        kind: zoo, folder (one that a library wrote), keras, pt2 or bundle.
        framework: of the process in which it lives: torch or tensorflow (or jax, for a run of JAX).
        weights: a file, looked up already; None: drawn ones (zoo), or its own.
        classes, input_size: of the net, where the library builds it.
        head: whether the weights have to hold the classifier's head.
        mirror, offline: where files are looked for; see `resolve`.
    """

    text: str
    kind: str
    framework: str
    weights: str | None = None
    seed: int = 0
    classes: int | None = None
    input_size: tuple[int, int] | None = None
    head: bool = True
    mirror: str | None = None
    offline: bool = False


@dataclass(frozen=True)
class Opened:
    """A source that was opened.

    Attributes:
        graph: images to logits, with the weights.
        signature: how an image becomes an input.
        names: of the classes, where they are known.
        live: precision -> the reference as a `Net`.
        native: the module or model itself; None for a bundle.
        state_dict: arrays by path -> what the library of origin loads; None where there is none.
        save: writes the library's own folder; None where it has none.
        adopt: puts arrays by path into the live net and captures it anew; None where there is no live net.
        size: (height, width) that the graph was made for.
        fixed: whether it takes that size alone.
        head: what stood behind the logits, "softmax" or "sigmoid", or nothing.
        notes: what the reader should know.
        declared: what of its training the graph doesn't hold.
        sizes: others at which its calls were seen to be those of the graph.
    """

    graph: Graph
    signature: Signature
    names: tuple[str, ...] | None
    live: Callable[[str], Any]
    native: Any = None
    state_dict: Callable[[Mapping[str, Array] | None], dict[str, Array]] | None = None
    adopt: Callable[[Mapping[str, Array]], Opened] | None = None
    size: tuple[int, int] = (224, 224)
    fixed: bool = False
    head: str = ""
    notes: tuple[str, ...] = ()
    loss: str = "softmax_cross_entropy"
    extra: Mapping[str, Any] = field(default_factory=dict)
    declared: tuple[Declared, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    save: Callable[[Path], None] | None = None
    recipe: str = ""


def recognise(text: str) -> tuple[str, str]:
    """(kind, framework) of a source, from its name alone; no framework is imported.

    Raises:
        UsageError, DataError: it is nothing that can be converted.
    """
    writer = listing.writer_of(Path(text))
    if writer is not None:
        listing.require(writer)
        return "folder", "torch"
    if listing.is_name(text):
        listing.entry(text)
        head, _, _ = listing.split(text)
        listing.require(head)
        return "zoo", "torch" if listing.source(head).FRAMEWORK == "torch" else "tensorflow"
    path = Path(text)
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return SUFFIXES[path.suffix.lower()]
    if bundles.folder_of(path) is not None:
        return "bundle", _trainer(path)
    if not path.exists():
        head = text.partition("/")[0]
        hint = f" Sources by name: {', '.join(f'{name}/...' for name in listing.libraries())} (bakeoff models)."
        raise DataError(f"{text}: no source {head!r}, and {absent(text)}\n{hint.strip()}")
    known = foreign.file(path)
    if known:
        raise DataError(f"{text}: {known}")
    names = ", ".join(f"{name}/NAME" for name in listing.libraries())
    raise DataError(
        f"{text}: nothing that can be converted.\nExpected {names}, a .keras, .h5 or .pt2 file, a run folder, a bundle "
        "or a folder of transformers. Weights alone go with a name: --weights FILE."
    )


def _trainer(path: Path) -> str:
    """A bundle lives in the framework that trained it, where that is installed."""
    wanted = bundles.read(path).framework
    here = frameworks.installed()
    if not here:
        frameworks.require("torch", "converting")
    return wanted if wanted in here else here[0]


def opened(source: Source) -> Opened:
    """The source, in this process.

    Raises:
        UnsupportedError: an operator or layer that no page knows, by name.
        DataError, CorruptError: its file or its weights can't be used.
    """
    frameworks.enter(source.framework)
    openers = {"zoo": _zoo, "folder": _zoo, "keras": _keras_file, "pt2": _program, "bundle": _bundle}
    return openers[source.kind](source)


# by name --------------------------------------------------------------------------------------------------------------


def _zoo(source: Source) -> Opened:
    head, model, tag = listing.split(source.text)
    library = listing.source(head)
    if hasattr(library, "place"):
        return _of_folder(source, library, library.place(model, tag, mirror=source.mirror, offline=source.offline))
    seeded(source.framework, source.seed)
    try:
        native = library.build(model, tag=tag, classes=source.classes, input_size=source.input_size)
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{source.text}: {head} can't build it: {first[:300]}") from None
    signature, names = _described(library, model, tag, source.input_size)
    if source.classes is not None and names is not None and len(names) != source.classes:
        names = None
    if library.FRAMEWORK == "torch":
        if source.weights:
            fill_torch(native, Path(source.weights), getattr(library, "rename", None))
        found = from_torch(native, source.input_size or signature.size, signature, names)
    else:
        if source.weights:
            fill_keras(native, Path(source.weights))
        found = from_keras(native, signature, names, model)
    return replace(found, extra={"origin": {"source": source.text, "classes": source.classes}})


def _of_folder(source: Source, library: Any, folder: Path) -> Opened:
    """Of a library whose models are folders."""
    seeded(source.framework, source.seed)
    native = library.build(str(folder), classes=source.classes)
    file = library.weights_of(folder) if source.kind == "folder" and not source.weights else source.weights
    if file:
        native = library.fill(native, Path(file), head=source.head)
    signature, notes = library.processed(folder)
    signature = resized(signature, source.input_size) if source.input_size and signature else signature
    found = from_torch(native, signature.size if signature else source.input_size, signature)
    name = folder.resolve().name if source.kind == "folder" else source.text
    origin = {"source": name, "classes": source.classes, "config": library.config_of(folder)}

    def save(path: Path) -> None:
        library.save(native, path, found.signature, folder)

    several = native.config.problem_type == "multi_label_classification"
    loss = MULTI_LABEL if several else found.loss
    return replace(found, extra={"origin": origin}, save=save, notes=(*found.notes, *notes), loss=loss)


def _described(
    library: Any, model: str, tag: str | None, size: tuple[int, int] | None
) -> tuple[Signature, tuple[str, ...] | None]:
    signature, names = library.describe(model, tag)
    return (signature if size is None else resized(signature, size)), names


def resized(signature: Signature, size: tuple[int, int]) -> Signature:
    """The signature for images of another size; the share of the image that is cut off stays."""
    scale = max(size) / max(signature.size)
    resize_to = None if signature.resize_to is None else max(round(signature.resize_to * scale), *size)
    return replace(signature, size=size, resize_to=resize_to)


def seeded(framework: str, seed: int) -> None:
    """Draw weights from this seed."""
    if framework == "torch":
        from bakeoff.frameworks.torch import arrays
    else:
        from bakeoff.frameworks._keras import arrays  # type: ignore[no-redef]
    arrays.seed(seed)


# torch ----------------------------------------------------------------------------------------------------------------


def from_torch(
    native: Any, size: tuple[int, int] | None, signature: Signature | None = None, names: tuple[str, ...] | None = None
) -> Opened:
    """A live nn.Module."""
    from bakeoff.frameworks.torch.capture import bare, capture
    from bakeoff.frameworks.torch.live import LiveTorch

    native, around = bare(native)
    try:
        captured = capture(native, input_size=size, channels=signature.channels if signature else RGB)
    except UnsupportedError as error:
        if signature is not None:
            raise
        try:
            captured = capture(native, input_size=size, channels=GREY)
        except UnsupportedError:
            raise error from None

    def adopt(arrays: Mapping[str, Array]) -> Opened:
        from bakeoff.frameworks.torch.arrays import copy_in

        copy_in(native, captured.state_dict(arrays))
        return from_torch(native, size, signature, names)

    return Opened(
        captured.graph,
        signature or captured.signature or Signature(captured.size, int(str(captured.graph.input_shape[3]))),
        names or captured.classes,
        lambda precision: LiveTorch(native, captured, precision),
        native,
        captured.state_dict,
        adopt,
        captured.size,
        captured.fixed_size,
        notes=(*around, *captured.notes, *said(captured.graph)),
        sizes=captured.sizes,
        loss="binary_cross_entropy" if captured.graph.output_shape[-1] == 1 else "softmax_cross_entropy",
        declared=captured.declared,
    )


def fill_torch(native: Any, path: Path, rename: Callable[[str], str] | None = None) -> None:
    """Put the weights of a file into a live module, strictly.

    Args:
        native: the module.
        path: the file.
        rename: from a name in the library's own files to one of the module.

    Raises:
        DataError: they are another net's.
    """
    from bakeoff.frameworks.torch.arrays import copy_in

    found = checkpoints.read(path)
    if rename:
        found = {rename(name): array for name, array in found.items()}
    state = native.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    try:
        arrays = matched(found, shapes, str(path))
    except DataError:
        arrays = matched(_filtered(native, found), shapes, str(path))
    copy_in(native, arrays)


def _filtered(native: Any, found: Mapping[str, Array]) -> dict[str, Array]:
    """Names as the library of origin rewrites those of the authors' own files (timm's checkpoint_filter_fn)."""
    import sys

    from bakeoff.frameworks.torch.arrays import tensors

    rewrite = getattr(sys.modules.get(type(native).__module__), "checkpoint_filter_fn", None)
    if rewrite is None:
        return dict(found)
    try:
        return {name: tensor.numpy() for name, tensor in rewrite(tensors(found), native).items()}
    except Exception:  # it expects the files of its own authors
        return dict(found)


def _program(source: Source) -> Opened:
    """A `.pt2` file: the exported program as a module."""
    from bakeoff.runtimes import torch_export
    from bakeoff.runtimes._bounds import loading
    from bakeoff.runtimes._metadata import decode

    if source.weights:
        raise UsageError(f"--weights: {source.text} has its own. Leave one of them out.")
    path = Path(source.text)
    torch_export.ready()  # the library itself takes more memory than a file may
    with loading(path):
        module, text = torch_export.module(path)
    for name in ("train", "eval"):  # an exported program refuses both; its mode is fixed in its operators anyway
        module.__dict__.pop(name, None)
    metadata = decode(text, source.text) if text else None
    size = metadata.signature.size if metadata else source.input_size or _traced_size(module)
    found = from_torch(module, size, metadata.signature if metadata else None, metadata.classes if metadata else None)
    frozen = any(node.op == "batch_norm" for node in found.graph.nodes)
    note = (
        f"{Path(source.text).name}: a .pt2 file holds a net as it predicts: batch norm keeps its statistics in training"
    )
    notes = (*found.notes, *((note,) if frozen else ()))
    return replace(found, state_dict=None, notes=notes, loss=metadata.loss if metadata else found.loss)


def _traced_size(module: Any) -> tuple[int, int] | None:
    """The size of image that an exported program was traced with."""
    for node in module.graph.nodes:
        shape: Any = getattr(node.meta.get("val"), "shape", ()) if node.op == "placeholder" else ()
        if len(shape) == 4 and all(isinstance(size, int) for size in shape[2:]):
            return int(shape[2]), int(shape[3])
    return None


# Keras ----------------------------------------------------------------------------------------------------------------


def from_keras(
    native: Any, signature: Signature | None = None, names: tuple[str, ...] | None = None, model: str = ""
) -> Opened:
    """A live keras.Model."""
    from bakeoff.frameworks._keras.capture import capture, with_channel, write_back
    from bakeoff.frameworks._keras.live import LiveKeras, unmixed

    single, around = unmixed(native)
    native = with_channel(single)
    if native is not single:
        around += ("its images have no axis of channels; here they are (N, H, W, 1)",)
    captured = capture(native, source=model)
    shape = captured.graph.input_shape
    if len(shape) != 4:
        raise UnsupportedError(f"{native.name}: its input is {shape}; a classifier of images takes (N, H, W, C).")
    chosen = signature or captured.signature or Signature((224, 224), int(str(shape[3])))
    sizes = [size if isinstance(size, int) else side for size, side in zip(shape[1:3], chosen.size, strict=True)]
    size = sizes[0], sizes[1]

    def adopt(arrays: Mapping[str, Array]) -> Opened:
        write_back(captured, arrays, native)
        return from_keras(native, signature, names, model)

    return Opened(
        captured.graph,
        resized(chosen, size) if chosen.size != size else chosen,
        names,
        lambda precision: LiveKeras(native, captured, precision),
        native,
        None,
        adopt,
        size,
        all(isinstance(side, int) for side in shape[1:3]),
        captured.head,
        around
        + tuple(note for note in captured.notes if signature is None or "on which scale" not in note)
        + said(captured.graph),
        "binary_cross_entropy" if captured.head == "sigmoid" else "softmax_cross_entropy",
        declared=captured.declared,
    )


def fill_keras(native: Any, path: Path) -> None:
    """Put the weights of a file into a live model, by Keras's own loader once the file was looked through.

    Raises:
        DataError: they are another net's.
    """
    kind = checkpoints.kind(path)
    if kind not in ("keras", "hdf5"):
        raise DataError(
            f"--weights {path}: a {kind} file, and the source is a Keras model. Expected .keras, .weights.h5 or .h5."
        )
    checkpoints.read(path)
    if kind == "keras":
        from bakeoff.checkpoints.keras import check

        check(path)
    try:
        native.load_weights(str(path))
    except Exception as error:  # Keras raises what its readers raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"--weights {path}: not the weights of {native.name}: {first[:200]}\n"
            "Give the weights of this very model (same classes, same size)."
        ) from None


def _keras_file(source: Source) -> Opened:
    """A `.keras` file, after it was looked through; what Bakeoff wrote beside it says how images are prepared."""
    from bakeoff.runtimes import keras_file
    from bakeoff.runtimes._bounds import loading
    from bakeoff.runtimes._metadata import decode

    path = Path(source.text)
    keras_file.ready()
    with loading(path):  # a few words of a config may ask for terabytes
        native = keras_file.model(path)
    if source.weights:
        fill_keras(native, Path(source.weights))
    beside = keras_file.sidecar(path)
    metadata = decode(content(beside).decode("utf-8", "replace"), str(beside)) if beside.is_file() else None
    found = from_keras(native, metadata.signature if metadata else None, metadata.classes if metadata else None)
    return replace(found, loss=metadata.loss if metadata else found.loss)


# runs and bundles -----------------------------------------------------------------------------------------------------


def _bundle(source: Source) -> Opened:
    if source.weights:
        raise UsageError(f"--weights: {source.text} has its own. Leave one of them out.")
    held = bundles.read(source.text)
    graph = held.graph

    def live(precision: str) -> Any:
        return frameworks.load(source.framework).native(graph.astype(precision), precision=precision, device="cpu")

    shape = graph.input_shape
    sizes = [
        size if isinstance(size, int) else side for size, side in zip(shape[1:3], held.signature.size, strict=True)
    ]
    return Opened(
        graph,
        held.signature,
        held.classes,
        live,
        None,
        None,
        None,
        (sizes[0], sizes[1]),
        all(isinstance(side, int) for side in shape[1:3]),
        notes=(*said(graph), *filter(None, [bundles.note(source.text)])),
        loss=held.loss,
        extra=held.extra,
        recipe=held.recipe_toml,
    )


def bundled(found: Opened, framework: str) -> bundles.Bundle:
    """What was opened, as a bundle."""
    count = found.graph.output_shape[-1]
    names = found.names or tuple(str(index) for index in range(int(count) if isinstance(count, int) else 0))
    if found.loss == "binary_cross_entropy" and len(names) == 1:
        names = ("0", "1")
    extra = {
        **found.extra,
        "head": found.head,
        "notes": list(found.notes),
        "declared": [one.text for one in found.declared],
    }
    return bundles.Bundle(
        found.graph, found.signature, names, found.recipe, framework=framework, loss=found.loss, extra=extra
    )


def capture(session: dict[str, Any], reporter: Any, *, source: dict[str, Any], folder: str) -> None:
    """A worker's function: open a source and write it as a bundle."""
    size = source.pop("input_size")
    found = opened(Source(**source, input_size=tuple(size) if size else None))
    bundles.write(folder, bundled(found, source["framework"]))
