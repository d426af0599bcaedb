"""What every exported file says about itself."""

from __future__ import annotations

from dataclasses import replace

from bakeoff.bundle import Bundle
from bakeoff.graph.graph import Graph, Ref, weights_sha256
from bakeoff.graph.passes import append
from bakeoff.graph.similarity import with_similarity
from bakeoff.ops._dimension import fixed
from bakeoff.runtimes import _metadata


def text(bundle: Bundle) -> str:
    """Preprocessing, class names, loss; scores, licence and hash of the weights for people to read."""
    more = {key: bundle.extra[key] for key in ("licence",) if key in bundle.extra}
    if bundle.multilabel:
        more |= {"threshold": bundle.threshold, "output": "probabilities"}
    if bundle.unknown is not None:
        more["unknown"] = bundle.unknown.to_json()
    digest = weights_sha256(bundle.graph.arrays())
    return _metadata.encode(
        bundle.signature,
        bundle.classes,
        bundle.loss,
        framework=bundle.framework,
        scores=dict(bundle.scores),
        weights_sha256=digest,
        **more,
    )


def telling(bundle: Bundle) -> Graph:
    """The net to logits, and to the similarity of each image where the bundle tells those of no class by it."""
    return bundle.graph if bundle.unknown is None else with_similarity(bundle.graph, bundle.unknown.means)


def exported(bundle: Bundle) -> Graph:
    """The net as it leaves the house: logits, or for several labels an image the probability of each class; and what
    `telling` adds.

    A softmax is left to the user, who may want the logits; without a sigmoid, logits of several labels tell nothing.
    """
    if not bundle.multilabel:
        return telling(bundle)
    graph = append(bundle.graph, "sigmoid", "probabilities", bundle.graph.output)
    return replace(graph, outputs={"probabilities": Ref("probabilities")})


def input_shape(bundle: Bundle) -> tuple[int, int, int]:
    """(height, width, channels) of the net's input; a free size becomes the signature's."""
    shape = bundle.graph.input_shape
    height, width = (size if isinstance(size, int) else bundle.signature.size[i] for i, size in enumerate(shape[1:3]))
    return height, width, fixed(shape[3], "export: the number of channels")
