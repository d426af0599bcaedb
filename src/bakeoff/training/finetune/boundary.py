"""Where frozen layers end, and what they give: computed once, where it would come out the same in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from bakeoff import seeds
from bakeoff.data import Split
from bakeoff.data.share import Share
from bakeoff.graph import Graph, Node, Ref, passes
from bakeoff.graph.penalties import on_these
from bakeoff.ops._dimension import at
from bakeoff.protocols import Feed, Net
from bakeoff.schemas import Array, Batch
from bakeoff.training.context import Context
from bakeoff.training.loop.threads import multiply_adds

WORTH = 0.2  # share of the multiply-adds that the frozen part must have
MOST_BYTES = 2 * 2**30
SHARE_OF_MEMORY = 0.4
LARGE = 2.0**10  # float16 ends at 2^16: where a first batch has larger values, all are kept as they are


@dataclass(frozen=True)
class Halves:
    """A net in two: the frozen one gives what the other one takes."""

    frozen: Graph
    trained: Graph


def halves(graph: Graph) -> Halves | None:
    """The net cut at the last value behind which all training happens; None where there is none, or little before it.

    Before the cut lie no weights that are trained, no batch statistics and no noise; one value crosses it.
    """
    changing = _changing(graph)
    order = {node.id: number for number, node in enumerate(graph.nodes)}
    for node in reversed(graph.nodes):
        if node.id in changing or len(graph.shapes[Ref(node.id)]) not in (2, 4):
            continue
        before = _before(graph, node.id)
        behind = [other for other in graph.nodes if other.id not in before]
        known = {other.id for other in behind}
        crosses = all(ref.node in known or ref == Ref(node.id) for other in behind for ref in _sources(other))
        outputs = all(ref.node in known for ref in graph.outputs.values())
        if behind and crosses and outputs and order[node.id] > 0:
            return _cut(graph, node, behind)
    return None


def _changing(graph: Graph) -> set[str]:
    """Nodes whose values differ from step to step for the same image."""
    found = {penalty.on.node for penalty in graph.penalties if isinstance(penalty.on, Ref)}  # their loss counts
    for node in graph.nodes:
        paths = [source for source in node.parameters.values() if isinstance(source, str)]
        trained = any(graph.parameters[path].trainable and graph.parameters[path].role == "weight" for path in paths)
        if trained or node.draws or node.keeps_state or any(ref.node in found for ref in _sources(node)):
            found.add(node.id)
    return found


def _sources(node: Node) -> list[Ref]:
    return [*node.inputs, *(source for source in node.parameters.values() if isinstance(source, Ref))]


def _before(graph: Graph, id: str) -> set[str]:
    """The node, and all that it comes from."""
    needed = {id}
    for node in reversed(graph.nodes):
        if node.id in needed:
            needed |= {ref.node for ref in _sources(node)}
    return needed


def _cut(graph: Graph, node: Node, behind: list[Node]) -> Halves:
    name = next(iter(graph.inputs))

    def moved(ref: Ref) -> Ref:
        return Ref(name) if ref == Ref(node.id) else ref

    nodes = tuple(
        replace(
            other,
            inputs=tuple(map(moved, other.inputs)),
            parameters={
                slot: moved(source) if isinstance(source, Ref) else source for slot, source in other.parameters.items()
            },
        )
        for other in behind
    )
    used = {source for other in nodes for source in other.parameters.values() if isinstance(source, str)}
    trained = Graph(
        {name: graph.shapes[Ref(node.id)]},
        nodes,
        graph.outputs,
        {path: parameter for path, parameter in graph.parameters.items() if path in used},
        on_these(graph.penalties, (), nodes),
    )
    return Halves(passes.prune(replace(graph, outputs={"features": Ref(node.id)})), trained)


def worth_it(found: Halves, whole: Graph) -> bool:
    """Whether the frozen half costs enough."""
    return multiply_adds(found.frozen) >= WORTH * multiply_adds(whole)


def too_large(found: Halves, context: Context) -> str:
    """What it gives for these images doesn't fit in memory: how much it is. Nothing where it fits."""
    import psutil

    limit = min(MOST_BYTES, SHARE_OF_MEMORY * psutil.virtual_memory().available)
    each = int(np.prod([at(side, height=1, width=1) for side in found.trained.input_shape[1:]]))
    train, views = len(context.data.train), context.augmentation.views or 1
    held = each * (2 * views * train + 4 * (len(context.data) - train))
    return "" if held <= limit else f"what they give takes {held / 2**30:.1f} GiB, more than {limit / 2**30:.1f}"


@dataclass(frozen=True)
class Activated(Context):
    """A context whose batches hold what the frozen half gives, instead of images.

    Attributes:
        values: by split, (n, views, ...): of the training images as the augmentation has them, plain first.
    """

    values: Mapping[str, Array] = field(default_factory=dict)

    @property
    def input_bytes(self) -> int:
        """Of one image as the net takes it."""
        return int(self.values["train"][0, 0].astype(self.job.dtype).nbytes)

    def batches(
        self,
        split: Split,
        batch_size: int,
        *,
        epoch: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        start: int = 0,
        augment: bool = False,
        order: Array | None = None,
        share: Share | None = None,
    ) -> Iterator[Batch]:
        """The same batches in the same order, without a look at the images."""
        if order is None:
            order = seeds.permutation(self.job.seed, epoch, len(split)) if shuffle else np.arange(len(split))
        stop = len(order) - len(order) % batch_size if drop_last else len(order)
        firsts = range(start * batch_size, stop, batch_size)
        parts = [(first // batch_size, order[first : min(first + batch_size, stop)]) for first in firsts]
        for _, part in share.of(parts, whole=False) if share else parts:
            records = split.indices[part]
            views: Any = 0
            if augment:
                views = self.augmentation.choose(records, seed=self.job.seed, epoch=epoch)
            yield Batch(self.values[split.name][part, views], split.labels[part], records)

    def images(self, batch: Batch) -> Array:
        """The values, in the dtype of the weights."""
        found: Array = batch.images.astype(self.job.dtype, copy=False)
        return found

    def feed(self, net: Net) -> Feed | None:
        """None: values aren't bytes."""
        return None


def activated(context: Context, predict: Callable[[Array], Array], batch_size: int) -> Activated:
    """The context with what the frozen half gives for all images, and each view of the training ones.

    Those of training are kept in float16, where they are small enough; the others, which scores hang on, as they are.

    Args:
        predict: the frozen half.
    """
    augmentation, values = context.augmentation, dict[str, Array]()
    done, total = 0, sum(len(split) for split in context.data.splits.values())
    for name, split in context.data.splits.items():
        views, row = (augmentation.views or 1) if name == "train" else 1, 0
        for batch in context.batches(split, batch_size):
            for number in range(views):
                seen = np.stack([augmentation.view(pixels, number) for pixels in batch.images])
                found = predict(context.images(replace(batch, images=seen)))
                if name not in values:
                    half = name == "train" and found.dtype == np.float32 and np.abs(found).max() < LARGE
                    values[name] = np.zeros((len(split), views, *found.shape[1:]), np.float16 if half else found.dtype)
                values[name][row : row + len(found), number] = found
            row += len(batch.records)
            done += len(batch.records)
            context.reporter.progress("frozen layers", done, total)
    known = {each.name: getattr(context, each.name) for each in fields(Context)}
    return Activated(**known, values=values)
