"""Features of a frozen backbone: computed once, cached on disk by what decides them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from bakeoff.data.cache import FEATURES_LIMIT, cache_root, make_space, touch
from bakeoff.data.images import ahead, unique_rows
from bakeoff.evaluation.tta import mirrored
from bakeoff.files import atomic_write, read_arrays, remove
from bakeoff.graph import Graph
from bakeoff.graph.graph import weights_sha256
from bakeoff.preprocessing import Signature
from bakeoff.preprocessing.normalize import normalize
from bakeoff.schemas import Array, Batch
from bakeoff.training.context import Context
from bakeoff.training.job import device_of
from bakeoff.training.probe import engines
from bakeoff.workers import cluster
from bakeoff.workers.profile import stage

BATCH = 16
View = Literal["plain", "flip"]


def features(context: Context, graph: Graph, view: View = "plain") -> tuple[Array, bool]:
    """The features (rows of the manifest, d), float32, and whether they came from the cache.

    What computed them is noted in the run folder (`engines.FILE`), also where they were computed for another run.

    The key: content of the images, preprocessing signature, view, graph and weights, and what computes them;
    not names, labels or classes, so files may move, be renamed and sorted anew. The longest unused go where all
    together take more than `FEATURES_LIMIT`; a cache that can't be written is no reason to stop.

    Args:
        view: `flip` mirrors the images, as the net would get them.
    """
    hashes = context.data.manifest.sha256
    path = _path(context, graph, view)
    kept = _kept(path, hashes, cast(int, graph.output_shape[-1]))
    if kept is not None:
        touch(path)
        context.run.json(engines.FILE, kept[1])
        return kept[0], True
    with stage("features"):
        computed = _compute(context, graph, view)
    with suppress(OSError):
        if make_space(path.parent, computed.nbytes + hashes.nbytes, FEATURES_LIMIT):
            with atomic_write(path) as target:
                np.savez(target, features=computed, sha256=hashes, engine=json.dumps(engines.noted(context)))
    return computed, False


def cached(context: Context, graph: Graph, view: View = "plain") -> bool:
    """Whether the features of these images lie in the cache."""
    return _path(context, graph, view).is_file()


def _path(context: Context, graph: Graph, view: View) -> Path:
    return cache_root() / "features" / f"{_key(context, graph, view)}.npz"


def _key(context: Context, graph: Graph, view: View) -> str:
    nodes = repr(
        [(node.id, node.op, node.attributes, node.inputs, sorted(node.parameters.items())) for node in graph.nodes]
    )
    contents = hashlib.sha256(unique_rows(context.data.manifest.sha256)[0].tobytes()).hexdigest()
    versions = [version(name) for name in ("pillow", "onnxruntime")]
    more: list[str] = [] if view == "plain" else [view]
    if device_of(context.job, context.recipe) != "cpu":
        more.append(context.job.framework)
    parts = (contents, context.signature.digest(), weights_sha256(graph.arrays()), nodes, *versions, *more)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def _kept(path: Path, wanted: Array, width: int) -> tuple[Array, dict[str, Any]] | None:
    """Features (n, width) of images with these hashes, (n, 32), and what computed them, if a file has them all."""
    if not path.is_file():
        return None
    try:
        stored = read_arrays(path)
        found, hashes, told = stored["features"], stored["sha256"], json.loads(str(stored["engine"]))
        if (found.dtype, found.shape, hashes.dtype) != (np.float32, (len(hashes), width), np.uint8):
            raise ValueError(f"features {found.dtype} {found.shape}")
        if not isinstance(told["engine"], str) or not isinstance(told["verified"], dict):
            raise ValueError("another engine")
        rows = _rows(hashes, wanted)
        if rows is None:
            return None
        if not np.isfinite(found[rows]).all():
            raise ValueError("features that aren't finite")
        return found[rows], {name: told[name] for name in ("engine", "verified")}
    except Exception:  # of NumPy, zipfile, zlib, JSON
        with suppress(OSError):
            remove(path)  # cut short or overwritten: computed again
        return None


def _rows(stored: Array, wanted: Array) -> Array | None:
    index = {row.tobytes(): i for i, row in enumerate(stored)}
    try:
        return np.array([index[row.tobytes()] for row in wanted])
    except KeyError:
        return None


def _compute(context: Context, graph: Graph, view: View) -> Array:
    splits = context.data.splits.values()
    done, total = 0, sum(len(split) for split in splits)
    with stage("engine"):
        first = next(iter(context.batches(context.data.train, BATCH)))
        engine = engines.choose(context, graph, _inputs(context, first))
    width = cast(int, graph.output_shape[-1])
    out = np.zeros((len(context.data.manifest.sha256), width), "float32")
    batches = chain.from_iterable(context.batches(split, BATCH) for split in splits)
    for records, rows in _rows_of(context, graph, view, engine, batches):
        out[records] = rows
        done += len(records)
        context.reporter.progress("features" if view == "plain" else f"features, {view}", done, total)
    return out


def _rows_of(
    context: Context, graph: Graph, view: View, engine: engines.Engine, batches: Iterable[Batch]
) -> Iterator[tuple[Array, Array]]:
    """Records and features of each batch, in order: computed here, or by the free CPUs of the job's cluster."""
    with cluster.connected(context.job.cluster if engine.name == engines.ONNX else None):
        if context.job.cluster is None or engine.name != engines.ONNX:

            def computed(batch: Batch) -> tuple[Array, Array]:
                return batch.records, engine.predict(seen(_inputs(context, batch), view))

            yield from ahead(computed, batches, engine.callers)
            return
        common = (graph, context.signature, context.job.dtype, view)
        yield from cluster.share_out(on_a_node, common, ((batch.records, batch.images) for batch in batches))


def on_a_node(
    common: tuple[Graph, Signature, str, View], threads: int = 1
) -> Callable[[tuple[Any, Array]], tuple[Any, Array]]:
    """What a node of a cluster does: from records and their uint8 images to records and features.

    Args:
        common: the backbone, how images become its input, in which dtype they are normalised, and the view.
        threads: inside an operator; the bits don't depend on it.
    """
    from bakeoff.runtimes import onnxruntime

    graph, signature, dtype, view = common
    runtime = onnxruntime.from_graph(graph, threads=threads)

    def computed(batch: tuple[Any, Array]) -> tuple[Any, Array]:
        inputs = normalize(batch[1], signature, dtype).astype("float32", copy=False)
        return batch[0], runtime.predict(seen(inputs, view))

    return computed


def _inputs(context: Context, batch: Batch) -> Array:
    return context.images(batch).astype("float32", copy=False)


def seen(images: Array, view: View) -> Array:
    """Inputs of the net, (N, H, W, C), as a view has them."""
    return images if view == "plain" else mirrored(images)
