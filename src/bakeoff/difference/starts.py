"""The law that start weights were drawn from, told by their numbers; and the same draws under another law.

The laws are those that both libraries offer. Of these the likeliest is taken, if the numbers spread as it says:
    start.kernels   of dense and convolution kernels         start.biases   of their biases
A draw is a number u between 0 and 1, for each weight; a law turns it into a weight. So another law is another setting
with the same seed, and another seed is other u under the same law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from bakeoff.difference.nets import numbered
from bakeoff.graph.graph import Graph
from bakeoff.schemas import Array
from bakeoff.seeds import rng

CUT = 2.0  # deviations where Keras cuts a normal distribution
NARROWER = 0.87962566103423978  # the deviation of what is left of one of 1
ODD = 5.0  # standard errors that the mean square may be off
ZEROS = "zeros"


@dataclass(frozen=True)
class Law:
    """One way to draw.

    Attributes:
        kind: uniform, normal, or truncated: normal and cut.
        deviation: of the weights, from what a layer reads and gives: (fan in, fan out).
    """

    kind: str
    deviation: Callable[[float, float], float]

    def scale(self, fans: tuple[float, float]) -> float:
        """The bound of a uniform distribution; the deviation of a normal one before it is cut."""
        return self.deviation(*fans) * {"uniform": 3**0.5, "truncated": 1 / NARROWER}.get(self.kind, 1.0)

    def weights(self, u: Array, fans: tuple[float, float]) -> Array:
        """Weights of draws."""
        if self.kind == "uniform":
            return (2 * u - 1) * self.scale(fans)
        low = float(ndtr(-CUT)) if self.kind == "truncated" else 0.0
        return np.asarray(ndtri(low + (1 - 2 * low) * u) * self.scale(fans))

    def draws(self, w: Array, fans: tuple[float, float]) -> Array:
        """Draws of weights."""
        x = w.astype(np.float64) / self.scale(fans)
        if self.kind == "uniform":
            return (x + 1) / 2
        low = float(ndtr(-CUT)) if self.kind == "truncated" else 0.0
        return np.asarray(np.clip((ndtr(x) - low) / (1 - 2 * low), 1e-12, 1 - 1e-12))

    def likelihood(self, w: Array, fans: tuple[float, float]) -> float:
        """The logarithm of how likely weights are."""
        scale, most = self.scale(fans), float(np.abs(w).max())
        limit = {"uniform": scale, "truncated": CUT * scale}.get(self.kind, np.inf)
        if most > limit * (1 + 1e-6):
            return -np.inf
        if self.kind == "uniform":
            return float(-w.size * np.log(2 * scale))
        inside = 1 - 2 * float(ndtr(-CUT)) if self.kind == "truncated" else 1.0
        return float(-w.size * np.log(scale * inside * (2 * np.pi) ** 0.5) - np.square(w / scale).sum() / 2)


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
LAWS = {
    f"{name} {kind}": Law(kind, spread) for name, spread in FANS.items() for kind in ("uniform", "normal", "truncated")
}
Found = tuple[str, Array, tuple[float, float]]


def laws(graph: Graph) -> dict[str, str]:
    """The settings `start.*`; none where the numbers fit no law, as those of a net that was trained."""
    kernels, biases = ([one[1:] for one in _arrays(graph, slot)] for slot in ("kernel", "bias"))
    found = {"start.kernels": _likeliest(kernels), "start.biases": _likeliest(biases)}
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
        before, after = LAWS.get(of.get(key, "")), LAWS.get(to.get(key, ""))
        if key not in of or key not in to or (of[key] == to[key] and not seed):
            continue
        for path, array, fans in _arrays(graph, slot):
            u = rng(seed, "start", record=path).random(array.shape)  # of zeros there is no draw
            u = before.draws(array, fans) if before and not seed else u
            arrays[path] = (after.weights(u, fans) if after else np.zeros(array.shape)).astype(array.dtype)
    return graph.with_arrays(arrays)


def _arrays(graph: Graph, slot: str) -> Iterator[Found]:
    """(path, array, (fan in, fan out)) of what is trained of dense layers and convolutions of one group."""
    for node, _ in numbered(graph):
        kernel, path = node.parameters.get("kernel"), node.parameters.get(slot)
        whole = node.op in ("dense", "conv2d") and getattr(node.attributes, "groups", 1) == 1
        if whole and isinstance(kernel, str) and isinstance(path, str) and graph.parameters[path].trainable:
            *field, reads, gives = graph.parameters[kernel].array.shape
            size = float(np.prod(field))
            yield path, graph.parameters[path].array, (size * reads, size * gives)


def _likeliest(found: Iterable[tuple[Array, tuple[float, float]]]) -> str:
    """The name of the law that is the likeliest of all arrays; nothing where its deviation isn't theirs."""
    each = list(found)
    if not each:
        return ""
    name, law = max(LAWS.items(), key=lambda one: sum(one[1].likelihood(*pair) for pair in each))
    squares = np.concatenate([np.square(w / law.deviation(*fans)).ravel() for w, fans in each])
    odd = abs(float(squares.mean()) - 1) > ODD * (2 / squares.size) ** 0.5  # a normal one's, the widest
    return "" if odd or not np.isfinite(sum(law.likelihood(*pair) for pair in each)) else name
