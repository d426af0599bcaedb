"""For which sizes and numbers of images a captured graph is the net: shown by passes that ask for shapes alone.

A graph was captured at two sizes and is the same. That says nothing of a net that does something else above 512 pixels,
for a single image or for tall ones. So the net is asked again: where a comparison in its own code would come out
otherwise, at drawn sizes, and in other batches. Where its calls are others there, a capture at that size decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import nn

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks.torch.capture._asked import Asking, Step, asked
from bakeoff.frameworks.torch.capture._copy import copied
from bakeoff.frameworks.torch.capture._export import PRIMES, Mode, dtype_of, moded, untouched
from bakeoff.parity.sizes import BATCHES, drawn

Size = tuple[int, int]
Pass = tuple[Asking, tuple[int, ...]]
LARGEST, MOST = 4096, 32  # of an image's side; of candidates
PRIME = PRIMES[0]
SCALES = (0.5, 0.7, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.3, 16.0)  # where a comparison may have gone unseen


@dataclass(frozen=True)
class Shown:
    """What was found.

    Attributes:
        sizes: at which the net is the captured graph, and takes images; empty: it is bound to the captured one.
        batches: numbers of images, likewise.
        notes: what the reader should know.
    """

    sizes: tuple[Size, ...]
    batches: tuple[int, ...]
    notes: tuple[str, ...]


def shown(
    model: nn.Module,
    mode: Mode,
    channels: int,
    sizes: tuple[Size, Size | None],
    same: Callable[[Size], bool],
    name: str,
) -> Shown:
    """Ask a net for its shapes.

    Args:
        model: stays as it is.
        mode: in which it was captured.
        channels: of the image.
        sizes: the captured one, and another for which the graph is the same; None where there is none.
        same: whether a capture at a size gives the same graph.
        name: for messages.

    Raises:
        UnsupportedError: it computes something else for other numbers of images.
    """
    ask = _Ask(copied(model).to("meta"), channels)
    batches: dict[int, None] = {}
    notes: list[str] = []
    asks: object = None
    good: list[Size] = []
    for one in (mode, "eval"):
        base = ask(one, PRIME, sizes[0])
        if batches and base is not None and _asks(base) == asks:
            continue  # in prediction it does what it does in training
        if base is None:
            return Shown((), BATCHES, (f"{name}: its shapes can't be asked for other sizes",) if sizes[1] else ())
        asks = _asks(base)
        for count in (*BATCHES, *_other_batches(base)):
            if (found := ask(one, count, sizes[0])) is None:
                continue
            if (why := _differs(base, found, count)) is not None:
                raise UnsupportedError(_branches(name, base, count, why))
            batches[count] = None
        if sizes[1] is None or notes:
            continue
        other = ask(one, PRIME, sizes[1])
        for size, place in _candidates(base, other, sizes[0]):
            found = ask(one, PRIME, size)
            if found is None:
                continue
            if not _alike(base, other, found) and not same(size):
                reason = f"{place} asks for the size" if place else "it computes something else"
                notes.append(f"{name}: {reason} ({size[0]} x {size[1]}); built for {sizes[0][0]} x {sizes[0][1]} alone")
                break
            good.append(size)
    return Shown(() if notes else tuple(dict.fromkeys(good)), tuple(n for n in batches if n in BATCHES), tuple(notes))


class _Ask:
    """Passes of one net on the meta device."""

    def __init__(self, model: nn.Module, channels: int) -> None:
        self.model, self.channels, self.dtype = model, channels, dtype_of(model)

    def __call__(self, mode: Mode, count: int, size: Size) -> Pass | None:
        with moded(self.model, mode), untouched(self.model):
            return asked(self.model, (count, self.channels, *size), self.dtype)


def _asks(found: Pass) -> object:
    """What a pass asks of sizes, and which calls have them."""
    guards = [(guard.place, tuple(guard.leaves.values())) for guard in found[0].guards]
    return guards, [(step.name, step.sizes) for step in found[0].steps]


def _other_batches(base: Pass) -> list[int]:
    flips = [flip for guard in base[0].guards for flip in guard.flips(PRIME)]
    found = {new * PRIME // old for old, new in flips if old and old % PRIME == 0}
    return sorted(count for count in found if 0 < count <= LARGEST and count not in BATCHES)[:MOST]


def _candidates(base: Pass, other: Pass | None, size: Size) -> Iterator[tuple[Size, str]]:
    """Sizes where a guard would come out otherwise, with its place; then drawn ones."""
    fixed = {(guard.place, value) for guard in other[0].guards for value in guard.leaves.values()} if other else set()
    found: dict[Size, str] = {}
    for guard in base[0].guards:
        for old, new in guard.flips(PRIME):
            if not old or old % PRIME == 0 or (guard.place, old) in fixed:
                continue
            scale = new / old
            for h, w in ((scale, 1.0), (1.0, scale), (scale, scale), (math.sqrt(scale), math.sqrt(scale))):
                wanted = math.ceil(size[0] * h), math.ceil(size[1] * w)
                if max(wanted) <= LARGEST:
                    found.setdefault(wanted, guard.place)
    near = sorted(found, key=lambda one: abs(math.log(one[0] * one[1] / (size[0] * size[1]))))
    yield from ((one, found[one]) for one in near[:MOST])
    many = [(int(size[0] * h), int(size[1] * w)) for r in SCALES for h, w in ((r, 1.0), (1.0, r), (r, r))]
    yield from ((one, "") for one in (*drawn(size), *(many if base[0].escaped else ())))


def _differs(base: Pass, found: Pass, count: int) -> str | None:
    """What isn't the same in another batch."""

    def scaled(numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(n // PRIME * count if n and n % PRIME == 0 else n for n in numbers)

    for one, other in zip(base[0].steps, found[0].steps, strict=False):
        if (one.name, one.rest, scaled(one.sizes)) != (other.name, other.rest, other.sizes):
            return other.name
    if len(base[0].steps) != len(found[0].steps):
        return "the number of its calls"
    single = count == 1 and math.prod(found[1]) == math.prod(scaled(base[1]))  # .squeeze() takes the batch off, too
    return None if single or scaled(base[1]) == found[1] else f"its output {found[1]}"


def _branches(name: str, base: Pass, count: int, why: str) -> str:
    guards = [guard for guard in base[0].guards if any(v and v % PRIME == 0 for v in guard.leaves.values())]
    place = f" ({', '.join(dict.fromkeys(guard.place for guard in guards))})" if guards else ""
    return (
        f"{name}: what it computes depends on how many images there are{place}: for {count} {why} differs.\n"
        "Treat each image alike, or leave that branch to the training loop."
    )


def _alike(base: Pass, other: Pass | None, found: Pass) -> bool:
    """Whether the calls are the same, and those of their sizes that are the same for the first two."""
    steps, others = base[0].steps, other[0].steps if other else []
    if len(steps) != len(found[0].steps) or len(steps) != len(others):
        return False
    return all(map(_same_step, steps, others, found[0].steps))


def _same_step(one: Step, other: Step, found: Step) -> bool:
    if (one.name, one.rest) != (found.name, found.rest) or len(one.sizes) != len(found.sizes):
        return False
    pairs = zip(one.sizes, other.sizes, found.sizes, strict=True) if len(one.sizes) == len(other.sizes) else ()
    return all(a != b or a == c for a, b, c in pairs)
