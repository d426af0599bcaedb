"""keras.random in the user's own code: while it is traced, a draw is an operation that hangs on the first input.

It would run at once otherwise, or fail for a batch of no size, and leave plain numbers behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import keras
from keras.src.backend import random
from keras.src.backend.common.stateless_scope import in_stateless_scope

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras.draws import OTHERS

COUNT = count()


class Drawn(keras.Operation):  # type: ignore[misc]
    """Random numbers; `call` is never run.

    Args:
        kind: "normal", "uniform", or "dropout", of the input itself.
        seed: what it draws from.
        shape: of the numbers; None for what isn't known.
        rate: of dropout.
        noise_shape: of dropout.
    """

    def __init__(
        self,
        kind: str,
        seed: Any,
        shape: tuple[int | None, ...],
        dtype: str,
        rate: float = 0.0,
        noise_shape: Any = None,
    ) -> None:
        self._seed_generators, self._number = [seed], next(COUNT)
        super().__init__(name=f"{kind}_drawn_{self._number}")
        self.kind, self.shape, self.dtype, self.rate, self.noise_shape = kind, shape, dtype, rate, noise_shape

    def _flatten_layers(self) -> list[Any]:
        """As of a layer that draws."""
        return [self]

    def compute_output_spec(self, _: Any) -> Any:
        return keras.KerasTensor(self.shape, dtype=self.dtype)

    def call(self, _: Any) -> Any:
        raise NotImplementedError


def drawn_in_order(draws: dict[str, Any]) -> dict[str, Any]:
    """Draws of the user's own code in the order of that code; a graph has them in that of their use."""
    return dict(sorted(draws.items(), key=lambda one: getattr(one[1], "_number", -1)))


@contextmanager
def symbolic_draws(anchor: Any, owner: Any, refuse: Callable[..., UnsupportedError]) -> Iterator[None]:
    """Draws by keras.random give symbolic tensors; those of Keras's own layers are the layers' matter."""
    real = {name: getattr(random, name) for name in ("normal", "uniform", "dropout", *OTHERS)}
    held = {id(seed) for layer in owner._flatten_layers() for seed in layer._seed_generators} | {id(None)}

    def drawn(name: str, seed: Any, *settings: Any) -> Any:
        if id(seed) not in held:
            remedy = "Keep a keras.random.SeedGenerator in the layer, and give it as `seed`."
            raise refuse(f"it draws by keras.random.{name} with seed={seed!r}", remedy)
        return Drawn(name, seed, *settings)

    def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        numbers = drawn("normal", seed, tuple(shape), dtype or keras.config.floatx())
        return numbers.symbolic_call(anchor) * stddev + mean

    def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
        numbers = drawn("uniform", seed, tuple(shape), dtype or keras.config.floatx())
        return numbers.symbolic_call(anchor) * (maxval - minval) + minval

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        made = drawn("dropout", seed, tuple(inputs.shape), inputs.dtype, float(rate), noise_shape)
        return made.symbolic_call(inputs)

    def other(name: str) -> Any:
        def refused(*_: Any, **__: Any) -> Any:
            raise refuse(f"it draws by keras.random.{name}", "Known: normal, uniform, dropout.")

        return refused

    def switched(name: str, own: Any) -> Any:  # inside of a layer of Keras's, whose shapes Keras works out
        return lambda *args, **settings: (real[name] if in_stateless_scope() else own)(*args, **settings)

    known = {"normal": normal, "uniform": uniform, "dropout": dropout}
    for name in real:
        setattr(random, name, switched(name, known.get(name) or other(name)))
    try:
        yield
    finally:
        for name, one in real.items():
            setattr(random, name, one)
