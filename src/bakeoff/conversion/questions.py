"""What a conversion asks of both nets: a trial made for a source."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from bakeoff.conversion.request import Request
from bakeoff.errors import DataError
from bakeoff.evaluation.kinds import BINARY, SINGLE
from bakeoff.graph.graph import Graph, Ref
from bakeoff.ops._dimension import at
from bakeoff.parity import trial as trials
from bakeoff.parity.trial import Trial
from bakeoff.preprocessing import Signature, normalize, prepare
from bakeoff.schemas import Array, Declared

FEW, MANY = 2, 4  # images a batch, of heavy nets and of others
HEAVY = 1e9  # multiplications an image
MOST_IMAGES = 16
LARGE = 544  # a side beyond what most nets are made for


class Described(msgspec.Struct, frozen=True):
    """What the parent of a conversion needs to know of its source.

    Attributes:
        size: (height, width) that the graph was made for.
        fixed: whether it takes that size alone.
        sizes: others at which its calls were seen to be those of the graph.
        head: what stood behind the logits, "softmax" or "sigmoid", or nothing.
        notes: what the reader should know.
        declared: what of its training the graph doesn't hold.
        channels, classes: of an image; of the logits, 0 where it is none or unknown.
        vector: whether it gives (N, classes).
        signature: how an image becomes an input, as JSON.
        parameters: how many numbers its weights have.
        unused, unused_trainable: those that no pass reads.
        work: multiplications of one image, roughly.
        keeps_state: whether a training pass moves running statistics.
        environment: versions.
    """

    size: tuple[int, int]
    fixed: bool
    sizes: tuple[tuple[int, int], ...]
    head: str
    notes: tuple[str, ...]
    declared: tuple[Declared, ...]
    channels: int
    classes: int
    vector: bool
    signature: dict[str, object]
    parameters: int
    unused: int
    unused_trainable: int
    work: float
    keeps_state: bool
    environment: dict[str, str]


def loss_of(graph: Graph) -> str:
    """What suits its logits: of a single one, softmax would be 1 and all gradients 0, which proves nothing."""
    return (BINARY if graph.output_shape[-1] == 1 else SINGLE).loss


def roles_of(graph: Graph) -> dict[str, str]:
    """ "weight" or "state" by path, of the parameters that a pass reads; constants can't change."""
    return {path: p.role for path, p in graph.parameters.items() if graph.users[path] and p.role != "constant"}


def tied_of(graph: Graph) -> list[str]:
    """The weights that layers hold as they are: what computes its own (weight norm) may have no form for zeros."""
    held = {path for node in graph.nodes for path in node.parameters.values() if isinstance(path, str)}
    return sorted(path for path in held if graph.parameters[path].role == "weight")


def trial_of(source: Described, graph: Graph, request: Request, full: bool) -> Trial:
    """The questions, normalised, float64; with `full`, training too."""
    signature, seed = Signature.from_json(source.signature), request.seed
    heavy = source.work > HEAVY
    main = _given(request, source, signature, FEW if heavy else MANY)
    predictions = {"given": main}
    small = _training_size(source)
    for count in (1, 3) if heavy and source.fixed else (1, 3, 7):
        predictions[f"batch_{count}"] = trials.images(count, small, source.channels, seed + count)
    if not source.fixed:
        for number, size in enumerate(sizes(source.size)):
            key = f"size_{size[0]}x{size[1]}"
            predictions[key] = trials.images(1, size, source.channels, seed + 31 + number)
    count = FEW if heavy and source.fixed else MANY
    steps, flat = [], None
    if full:
        for step in range(trials.STEPS):
            pictures = trials.images(count, small, source.channels, seed + 10 + step)
            labels = trials.labels(count, source.classes, seed + 20 + step)
            steps.append((normalize(pictures, signature, "float64"), labels))
        flat = trials.flat_images(small, source.channels, seed + 40), trials.uneven_labels(4, source.classes, seed + 40)
        predictions["flat"] = flat[0]
        flat = normalize(flat[0], signature, "float64"), flat[1]
    normalised = {name: normalize(images, signature, "float64") for name, images in predictions.items()}
    return Trial(normalised, steps, flat, loss_of(graph), roles=roles_of(graph), tied=tied_of(graph))


def sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes besides its own that a net of any size is asked for: odd and smaller, tall, wide beyond LARGE."""
    height, width = size
    return [(height // 2 | 1, width * 3 // 5 | 1), (height + 32, max(width - 32, 32)), (max(height // 4, 32), LARGE)]


def _training_size(source: Described) -> tuple[int, int]:
    """Smaller images for heavy nets that take any size."""
    if source.fixed or source.work < HEAVY / 2:
        return source.size
    height, width = source.size
    return max(height * 4 // 7, 64), max(width * 4 // 7, 64)


def _given(request: Request, source: Described, signature: Signature, count: int) -> Array:
    if not request.pictures:
        return trials.images(count, source.size, source.channels, request.seed)
    own = _images(request.pictures, signature)
    if len(own) > 1:
        return own
    # a single image can't show whether the net looks at it
    return np.concatenate([own, trials.images(1, source.size, source.channels, request.seed)])


def _images(given: str, signature: Signature) -> Array:
    """The user's own, prepared: at most 16, one at least.

    Raises:
        DataError: none can be read.
    """
    from bakeoff.evaluation.predict import find_images

    paths = find_images([given]).files
    step = max(1, len(paths) // MOST_IMAGES)
    images = []
    for path in paths[::step][:MOST_IMAGES]:
        try:
            images.append(prepare(path, signature))
        except DataError as error:
            raise DataError(f"{path}: {error}. Give --pictures a folder of images that can be read.") from None
    return np.stack(images)


def work_of(graph: Graph, size: tuple[int, int]) -> float:
    """Multiplications of one image of that size, roughly: weights times the positions at which they are used."""
    known = {"batch": 1, "height": size[0], "width": size[1]}
    total = 0.0
    for node in graph.nodes:
        path = node.parameters.get("kernel")
        if isinstance(path, str):
            shape = graph.shapes[Ref(node.id)]
            elements = math.prod(at(side, **known) for side in shape[1:-1])
            total += graph.parameters[path].array.size * elements
    return total
