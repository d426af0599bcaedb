"""Random draws of a live pass, seen and handed in where every draw of torch's comes by: at its dispatcher.

A draw is what has torch's tag for it and changed the generator's state: fused attention at rate 0 has the tag, and
draws nothing. It is known by the module that runs and its count there, which torch.export's programs have as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.utils._python_dispatch import TorchDispatchMode

from bakeoff.graph.draws import UNREAD, Key, Place
from bakeoff.schemas import Array, Drawn


@dataclass(eq=False)
class Draws(TorchDispatchMode):  # type: ignore[misc]  # torch has no types for it
    """Passes of a module inside of it are watched.

    Args:
        module: whose submodules' names are the paths.
        places: by module and count; what has none goes by these two.
        given: values by node, drawn instead of the module's own.
    """

    module: nn.Module
    places: Mapping[Key, Place]
    given: Mapping[str, Array]
    drawn: dict[str, Drawn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.names = {part: path for path, part in self.module.named_modules()}
        self.path, self.count = [""], dict[str, int]()

    def __enter__(self) -> Any:
        def enter(part: nn.Module, _: Any) -> None:
            self.path.append(self.names.get(part, self.path[-1]))

        def leave(*_: Any) -> None:
            self.path.pop()

        self.handles = [
            hooks.register_module_forward_pre_hook(enter),
            hooks.register_module_forward_hook(leave, always_call=True),
        ]
        return super().__enter__()

    def __exit__(self, *error: Any) -> Any:
        for handle in self.handles:
            handle.remove()
        return super().__exit__(*error)

    def again(self) -> None:
        """What comes is drawn once more, as checkpointing does on its way back."""
        self.count.clear()
        self.given = {node: drawn.values for node, drawn in self.drawn.items()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        generator = kwargs.get("generator") or torch.default_generator
        before = generator.get_state()
        out = func(*args, **kwargs)
        slopes = "rrelu" in func._schema.name  # drawn where a value is negative, if any is
        if slopes or not torch.equal(before, generator.get_state()):
            self._see(func, _bound(func, args, kwargs), out)
        return out

    def _see(self, func: Any, arguments: Mapping[str, Any], out: Any) -> None:
        path = self.path[-1]
        n = self.count[path] = self.count.get(path, -1) + 1
        place = self.places.get((path, n), Place(f"{path or 'the model itself'}, draw {n + 1}"))
        if place is UNREAD:
            return
        kind, rate, low, scale = asked(func, arguments)
        if kind == "rrelu_with_noise":
            self._slopes(place, arguments, out)
            return
        if not isinstance(out, torch.Tensor):
            self.drawn[place.node] = Drawn(f"{kind}, within a kernel", np.zeros(()))
            return
        if place.node in self.given:
            new = torch.from_numpy(place.native(self.given[place.node]))
            if _real(new.shape) == _real(out.shape):
                out.copy_(new.reshape(out.shape) * scale + low)
        array = (out.detach().double().cpu().numpy() - low) / scale
        self.drawn[place.node] = place.read(kind, rate, array)

    def _slopes(self, place: Place, arguments: Mapping[str, Any], out: torch.Tensor) -> None:
        """Of a kernel that draws slopes for what is negative: what it drew elsewhere nobody sees."""
        x, noise = arguments["self"], arguments["noise"]
        low, scale = float(arguments["lower"]), float(arguments["upper"]) - float(arguments["lower"])
        if place.node in self.given and self.given[place.node].shape:
            new = torch.from_numpy(place.native(self.given[place.node]))
            noise.copy_(torch.where(x > 0, 1.0, new * scale + low))
            out.copy_(x * noise)
        middle = torch.where(x > 0, 0.5, (noise - low) / scale)
        self.drawn[place.node] = place.read("uniform", 0.0, middle.detach().double().cpu().numpy())


def asked(func: Any, arguments: Mapping[str, Any]) -> tuple[str, float, float, float]:
    """Kind and rate of a draw; what it adds to plain numbers of that kind, and what it multiplies them by."""
    name = func._schema.name.removeprefix("aten::").rstrip("_")
    if name == "bernoulli":
        keep = arguments.get("p", arguments["self"])
        flat = keep.flatten() if isinstance(keep, torch.Tensor) else torch.tensor([keep], dtype=torch.float64)
        alike = bool((flat == flat[0]).all())
        return "bernoulli" if alike else "of several rates", 1 - float(flat[0]), 0.0, 1.0
    numbers = {key: given for key, given in arguments.items() if isinstance(given, int | float)}
    if name in ("rand", "rand_like", "uniform"):
        low, high = float(numbers.get("from", 0)), float(numbers.get("to", 1))
        return "uniform", 0.0, low, high - low
    if name in ("randn", "randn_like"):
        return "normal", 0.0, 0.0, 1.0
    if name in ("normal", "normal_functional") and {"mean", "std"} <= numbers.keys():
        return "normal", 0.0, float(numbers["mean"]), float(numbers["std"])
    return name, 0.0, 0.0, 1.0


def _real(shape: Any) -> list[int]:
    return [size for size in shape if size != 1]


def _bound(func: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, defaults included: bernoulli_'s p = 0.5 is no argument at all."""
    found = {one.name: one.default_value for one in func._schema.arguments if one.has_default_value()}
    return found | dict(zip((one.name for one in func._schema.arguments), args, strict=False)) | dict(kwargs)


@contextmanager
def watched(net: Any, module: nn.Module, places: Mapping[Key, Place]) -> Iterator[Callable[[], None]]:
    """A training pass of a net, its draws `net.given` and told in `net.drawn`; nothing where `given` is None.

    Gives what is to be called before the way back.
    """
    if net.given is None:
        yield lambda: None
        return
    with Draws(module, places, net.given) as draws:
        yield draws.again
    net.drawn = draws.drawn
