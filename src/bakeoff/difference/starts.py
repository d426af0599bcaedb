"""The law that start weights were drawn from, told by their numbers; and the same draws under another law.

The laws are those that both libraries offer. Of these the likeliest is taken, if the numbers spread as it says:
    start.kernels   of dense and convolution kernels         start.biases   of their biases
A draw is a number u between 0 and 1, for each weight; a law turns it into a weight. So another law is another setting
with the same seed, and another seed is other u under the same law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from bakeoff.difference.nets import numbered
from bakeoff.graph.graph import Graph
from bakeoff.schemas import Array
from bakeoff.seeds import rng


def _stats() -> Any:
    """Loaded where a law is asked for: it takes half a second."""
    from scipy import stats

    return stats


Fans = tuple[float, float]  # how many numbers a layer reads, and gives, for each of its own
ODD = 5.0  # standard errors that the mean square may be off
SURE = 20.0  # times
ZEROS = "zeros"
WIDER = 3**0.5 * (1 + 1e-6)  # half a uniform law, in deviations, and what float32 may lie beyond its bound
KINDS: Mapping[str, Callable[[float], Any]] = {  # distributions of mean 0, by their deviation
    "uniform": lambda s: _stats().uniform(-WIDER * s, 2 * WIDER * s),
    "normal": lambda s: _stats().norm(0, s),
    "truncated": lambda s: _stats().truncnorm(-2, 2, scale=s / _stats().truncnorm(-2, 2).std()),  # where Keras cuts
}
FANS: Mapping[str, Callable[[float, float], float]] = {  # deviations
    "Glorot's": lambda i, o: (2 / (i + o)) ** 0.5,  # Glorot and Bengio, 2010: Keras's layers, uniform
    "PyTorch's": lambda i, o: (1 / (3 * i)) ** 0.5,  # of nn.Linear, nn.Conv2d: within 1 / sqrt(fan in); biases too
    "He's": lambda i, o: (2 / i) ** 0.5,  # He and others, 2015
    "LeCun's": lambda i, o: (1 / i) ** 0.5,
    "of deviation 0.05,": lambda i, o: 0.05,  # Keras's RandomNormal and TruncatedNormal
    "of deviation 0.02,": lambda i, o: 0.02,
    "of deviation 0.01,": lambda i, o: 0.01,
    "within 0.05,": lambda i, o: 0.05 / 3**0.5,  # Keras's RandomUniform
}
LAWS = {f"{name} {kind}": (kind, deviation) for name, deviation in FANS.items() for kind in KINDS}


def law(name: str, fans: Fans) -> Any:
    """The distribution of a layer's weights."""
    kind, deviation = LAWS[name]
    return KINDS[kind](deviation(*fans))


def laws(graph: Graph) -> dict[str, str]:
    """The settings `start.*`; none where the numbers fit no law, as those of a net that was trained, or several."""
    kernels, biases = ([one[1:] for one in _arrays(graph, slot)] for slot in ("kernel", "bias"))
    found = {"start.kernels": _likeliest(kernels, LAWS), "start.biases": _likeliest(biases, ["PyTorch's uniform"])}
    if biases and not any(array.any() for array, _ in biases):
        found["start.biases"] = ZEROS
    return {key: name for key, name in found.items() if name}


def drawn(graph: Graph, of: Mapping[str, Any], to: Mapping[str, Any], seed: int = 0) -> Graph:
    """The graph with its draws under another law, or with new ones; as it is where no law is known.

    Args:
        of: settings: the laws that its arrays are of.
        to: the laws that they shall be of.
        seed: of new draws; 0: the same ones.
    """
    arrays: dict[str, Array] = {}
    for slot, key in (("kernel", "start.kernels"), ("bias", "start.biases")):
        if key not in of or key not in to or (of[key] == to[key] and not seed):
            continue
        for path, array, fans in _arrays(graph, slot):
            new = seed or of[key] == ZEROS
            u = rng(seed, "start", record=path).random(array.shape) if new else law(of[key], fans).cdf(array)
            w = np.zeros(array.shape) if to[key] == ZEROS else law(to[key], fans).ppf(np.clip(u, 1e-9, 1 - 1e-9))
            arrays[path] = np.asarray(w, array.dtype)
    return graph.with_arrays(arrays)


def _arrays(graph: Graph, slot: str) -> Iterator[tuple[str, Array, Fans]]:
    """(path, array, (fan in, fan out)) of what is trained of dense layers and convolutions of one group."""
    for node, _ in numbered(graph):
        kernel, path = node.parameters.get("kernel"), node.parameters.get(slot)
        whole = node.op in ("dense", "conv2d") and getattr(node.attributes, "groups", 1) == 1
        if whole and isinstance(kernel, str) and isinstance(path, str) and graph.parameters[path].trainable:
            *field, reads, gives = graph.parameters[kernel].array.shape
            size = float(np.prod(field))
            yield path, graph.parameters[path].array, (size * reads, size * gives)


def _likeliest(found: Iterable[tuple[Array, Fans]], names: Iterable[str]) -> str:
    """The name of the law that is `SURE` times as likely as any other of these; nothing where there is none, or its
    deviation isn't theirs.
    """
    each = list(found)
    sums = sorted((sum(float(law(name, fans).logpdf(w).sum()) for w, fans in each), name) for name in names)
    best, name = sums[-1]
    if not each or not np.isfinite(best) or best - max((one for one, _ in sums[:-1]), default=-np.inf) < np.log(SURE):
        return ""
    squares = np.concatenate([np.square(w / law(name, fans).std()).ravel() for w, fans in each])
    odd = abs(float(squares.mean()) - 1) > ODD * (2 / squares.size) ** 0.5  # a normal one's, the widest
    return "" if odd else name
