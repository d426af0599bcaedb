"""Random draws of a Keras net, seen and handed in where every draw of Keras's comes by: its backend's random functions.

A draw is known by the owner of its seed generator and its count there. A dropout's mask is handed in below Keras, where
its backend takes random numbers: comparison, scale and broadcasting stay the backend's own. A function that was traced
before hears nothing of it: `watched` traces anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend import random

from bakeoff.graph.draws import UNREAD, Key, Place
from bakeoff.schemas import Drawn

OTHERS = ("categorical", "randint", "truncated_normal", "shuffle", "gamma", "binomial", "beta")
Owners = Mapping[int, str]  # by the identity of a seed generator
Found = dict[str, tuple[str, float, Any]]  # by node: kind, rate, values


class Draws:
    """One pass.

    Args:
        owners: whose draws are known.
        places: by owner and count; what has none goes by these two.
        given: native values by node, drawn instead of the net's own.
    """

    def __init__(self, owners: Owners, places: Mapping[Key, Place], given: Mapping[str, Any]) -> None:
        self.owners, self.places, self.given = owners, places, given
        self.count: dict[str, int] = {}
        self.found: Found = {}
        self.dropping: tuple[Any, float] | None = None
        self.real = {name: getattr(random, name) for name in ("normal", "uniform", "dropout", *OTHERS)}

    def see(self, kind: str, rate: float, seed: Any, own: Any) -> Any:
        """What is drawn in place of `own`."""
        owner = self.owners.get(id(seed), "a seed of no layer")
        n = self.count[owner] = self.count.get(owner, -1) + 1
        place = self.places.get((owner, n), Place(f"{owner}, draw {n + 1}"))
        if place is UNREAD:
            return own
        new = self.given.get(place.node)
        if new is not None and _real(new.shape) == _real(own.shape):
            own = keras.ops.reshape(keras.ops.cast(new, own.dtype), own.shape)
        self.found[place.node] = kind, rate, own
        return own

    def normal(self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        plain = self.real["normal"](shape, 0.0, 1.0, dtype, seed)
        return self.see("normal", 0.0, seed, plain) * stddev + mean

    def uniform(self, shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        plain = self.real["uniform"](shape, 0.0, 1.0, dtype, seed)
        return self.see("uniform", 0.0, seed, plain) * (maxval - minval) + minval

    def dropout(self, inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        self.dropping = seed, rate
        try:
            return self.real["dropout"](inputs, rate, noise_shape, seed)
        finally:
            self.dropping = None

    def other(self, name: str) -> Callable[..., Any]:
        def drawn(*args: Any, seed: Any = None, **settings: Any) -> Any:
            return self.see(name, 0.0, seed, self.real[name](*args, seed=seed, **settings))

        return drawn

    def sampler(self, real: Callable[..., Any], mask: Callable[[Any, float], Any], back: Callable[[Any], Any]) -> Any:
        """The backend's source of random numbers, as its dropout calls it; `mask` reads them, `back` is the inverse."""

        def drawn(*args: Any, **settings: Any) -> Any:
            own = real(*args, **settings)
            if self.dropping is None:
                return own
            (seed, rate), self.dropping = self.dropping, None
            return back(self.see("bernoulli", rate, seed, mask(own, rate)))

        return drawn


@contextmanager
def hooked(draws: Draws) -> Iterator[None]:
    """Keras draws what `draws` gives, within."""
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.ops import stateless_random_ops as below

        name = "stateless_random_uniform"
        sampler = draws.sampler(getattr(below, name), lambda u, q: keras.ops.cast(u >= q, u.dtype), lambda kept: kept)
    else:
        import jax.random as below

        name = "bernoulli"
        sampler = draws.sampler(getattr(below, name), lambda kept, _: kept, lambda kept: kept)
    before = getattr(below, name)
    setattr(below, name, sampler)
    for one in draws.real:
        setattr(random, one, draws.other(one) if one in OTHERS else getattr(draws, one))
    try:
        yield
    finally:
        setattr(below, name, before)
        for one, real in draws.real.items():
            setattr(random, one, real)


def watched(
    function: Callable[..., Any],
    compiled: Callable[..., Any],
    owners: Owners,
    places: Mapping[Key, Place],
) -> Callable[..., tuple[Any, dict[str, Drawn]]]:
    """The function, compiled anew, with values by node as its first argument, and what was drawn beside its result."""
    known: dict[str, tuple[str, float]] = {}
    by_node = {place.node: place for place in places.values()}

    def run(given: Mapping[str, Any], *args: Any) -> Any:
        draws = Draws(owners, places, given)
        with hooked(draws):
            out = function(*args)
        known.clear()
        known.update({node: (kind, rate) for node, (kind, rate, _) in draws.found.items()})
        return out, {node: values for node, (_, _, values) in draws.found.items()}

    traced = compiled(run)

    def call(given: Mapping[str, Any], *args: Any) -> tuple[Any, dict[str, Drawn]]:
        native = {node: by_node[node].native(np.asarray(array)) for node, array in given.items() if node in by_node}
        out, found = traced(native, *args)
        read = {
            node: by_node.get(node, Place(node)).read(*known[node], keras.ops.convert_to_numpy(values))
            for node, values in found.items()
        }
        return out, read

    return call


def owners_of(model: Any) -> dict[int, str]:
    """The layers of a functional net that draw, by the identity of their seed generators."""
    return {id(layer.seed_generator): layer.name for layer in model.layers if hasattr(layer, "seed_generator")}


def drawing(captured: Any, live: Any) -> tuple[dict[int, str], dict[Key, Place]]:
    """Owners and places of a live model, by two captures: the nodes are of the first, the layers of the second."""
    kept = {node.id: node for node in captured.graph.nodes}
    owners: dict[int, str] = {}
    places: dict[Key, Place] = {}
    count: dict[str, int] = {}
    for node, (path, layer) in zip(captured.draws, live.draws.items(), strict=True):
        own = [one for part in layer._flatten_layers() for one in part._seed_generators]
        owner = next((owners[id(one)] for one in own if id(one) in owners), path)
        owners |= dict.fromkeys(map(id, own), owner)
        count[owner] = count.get(owner, -1) + 1
        x = captured.graph.input_shapes(kept[node])[0] if node in kept else ()
        above = layer.rate if isinstance(layer, keras.layers.AlphaDropout) else None  # its mask is of uniform numbers
        cell = isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)  # draws for a step what all share
        place = Place(node, tuple(range(len(x))), above=above, shape=(-1, 1, x[-1]) if x and cell else ())
        places[owner, count[owner]] = place if node in kept else UNREAD
    return owners, places


def _real(shape: Any) -> list[Any]:
    """Sizes but for 1."""
    return [size for size in shape if size != 1]
