"""A source and what became of it, asked the same in float64; every difference with the limit that holds for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import handed, layouts

SIZES = ((32, 32), (24, 40), (41, 25), (65, 66), (36, 100), (520, 32))
BATCHES = (1, 2, 3, 5, 8)
KINDS = ("noise", "black", "constant", "saturated")
STEPS, BATCH = 5, 4
EXACT, NOISE, UNDECIDED, NOTHING = 1e-9, 4.0, 1e-6, 1e-8
ROUNDINGS = 3


def pictures(kind: str, count: int, size: tuple[int, int], scale: float, seed: int) -> Any:
    """Pictures of a kind, float64, (N, H, W, 3), between 0 and scale."""
    draw = np.random.default_rng([seed, count, *size])
    if kind == "noise":
        return scale * draw.uniform(0, 1, (count, *size, 3))
    value = {"black": 0.0, "saturated": 1.0}.get(kind)
    colours = draw.uniform(0.2, 0.8, (count, 1, 1, 3)) if value is None else np.full((count, 1, 1, 3), value)
    return scale * np.broadcast_to(colours, (count, *size, 3)).copy()


class Judge:
    """A source and what became of it."""

    def __init__(self, source: Any, target: Any, options: dict[str, Any], quick: bool) -> None:
        self.source, self.target, self.options, self.quick = source, target, options, quick
        self.scale, self.size = options.get("scale", 1.0), options.get("size", (32, 32))
        self.free = not options.get("fixed") and "size" not in options
        self.classes = 0
        self.pairing: list[tuple[int, int, bool]] | None = None
        self.rows: list[tuple[str, float, float, str]] = []
        self.said: list[str] = []
        self.match()

    # weights

    def match(self) -> None:
        """Where each number of the source lies in the target: found by the number itself."""
        ours, theirs = (side.flat(side.arrays()).astype("float32") for side in (self.source, self.target))
        order = np.argsort(theirs, kind="stable")
        ranked = theirs[order]
        low, high = np.searchsorted(ranked, ours, "left"), np.searchsorted(ranked, ours, "right")
        self.found = (high - low == 1) & (ours != 0)
        self.index = order[np.minimum(low, len(order) - 1)]
        learned = self._learned(self.source, len(ours))
        lost = learned & (high - low == 0)
        twice = learned & (high - low > 1) & (ours != 0)
        self.learned = learned
        mapped = np.zeros(len(theirs), bool)
        mapped[self.index[self.found & learned]] = True
        their_learned = self._learned(self.target, len(theirs))
        for what, where, side in (
            ("weights that the target lacks", lost, self.source),
            ("weights that the target holds more than once", twice, self.source),
            ("weights that are trainable in the target alone", their_learned & ~mapped, self.target),
            ("weights that the target does not train", mapped & ~their_learned, self.target),
        ):
            count = int(where.sum())
            name = side.place(int(np.argmax(where))) if count else ""
            self.rows.append((f"parameters: {what}", float(count), 0.0, name))

    @staticmethod
    def _learned(side: Any, length: int) -> Any:
        names = np.repeat(np.array([name in side.trainable for name in side.names]), side.sizes())
        assert len(names) == length
        return names

    def put(self, vector: Any) -> None:
        """The same weights into both."""
        self.source.put(vector)
        theirs = self.target.flat(self.target.arrays())
        theirs[self.index[self.found]] = vector[self.found]
        self.target.put(theirs)

    # comparisons

    def compare(self, name: str, ours: Any, theirs: Any, noise: Any, scale: float = 0.0, where: str = "") -> bool:
        """One check; `noise` gives what the source says after a rounding, and is asked only where it matters."""
        ours, theirs = np.asarray(ours, "float64"), np.asarray(theirs, "float64")
        if ours.shape != theirs.shape:
            self.rows.append((name, float("inf"), EXACT, f"shapes {ours.shape} and {theirs.shape}"))
            return False
        top = float(np.abs(ours).max(initial=0.0))
        # nothing beside the net's largest: a gradient that is 0 but for rounding, a bias that it moved
        top = max(scale if top < NOTHING * scale else top, 1e-3 * scale, 1e-300)
        difference = float(np.abs(ours - theirs).max(initial=0.0)) / top
        same_finite = np.isfinite(ours) == np.isfinite(theirs)
        if not same_finite.all():
            difference = float("inf")
        elif not np.isfinite(ours).all():
            return True
        limit = EXACT
        if difference > EXACT and np.isfinite(difference):
            floor = max(float(np.abs(ours - np.asarray(other)).max(initial=0.0)) for other in noise())
            limit = max(EXACT, NOISE * floor / top)
        self.rows.append((name, difference, limit, where))
        return difference <= limit

    def shifted(self, logits: Any) -> Any:
        """Logits of a net that gives probabilities are known up to a constant."""
        return logits - logits.mean(-1, keepdims=True) if self.options.get("head") == "softmax" else logits

    def predictions(self, name: str, images: Any) -> None:
        """Logits in prediction, draws shared where the net draws even there."""
        draws, theirs_draws = [], []
        try:
            ours = self.shifted(self.source.logits(images, None, draws))
        except Exception as error:
            self.said.append(f"{name}: the source itself fails ({type(error).__name__})")
            return
        try:
            theirs = self.shifted(self.target.logits(images, self.supply(draws), theirs_draws))
        except Exception as error:
            self.fails(name, error)
            return
        if len(draws) != len(theirs_draws):
            self.rows.append(
                (f"{name}: draws", float("inf"), 0.0, f"{len(draws)} draws, the target makes {len(theirs_draws)}")
            )
        self.compare(
            name,
            ours,
            theirs,
            lambda: self.noisy(lambda change: self.shifted(self.source.logits(change(images), self.again(draws), []))),
        )

    def fails(self, name: str, error: Exception) -> None:
        """The target fails where the source answers: allowed where the certificate says for which size it is."""
        said = f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"
        if "size" in name and self.options.get("said_fixed"):
            self.said.append(f"{name}: for one size alone, as its certificate says")
            return
        self.rows.append((name, float("inf"), 0.0, f"the target fails: {said}"))

    def noisy(self, run: Any) -> list[Any]:
        """What the source gives with its weights changed by roundings, a few times.

        Weights that are all alike stay so, flat pictures flat, and black and white ones what they are: ties stay ties.
        """
        arrays = self.source.arrays()
        vector = self.source.flat(arrays)
        alike = np.repeat([np.ptp(array) == 0 for array in arrays.values()], self.source.sizes())
        kept, found = self.source.kept(), []
        for seed in range(ROUNDINGS):
            draw = np.random.default_rng(seed)
            self.source.put(vector * (1 + draw.choice([-1.0, 1.0], len(vector)) * ~alike * 2.0**-52))

            def rounded(images: Any, draw: Any = draw) -> Any:
                factors = 1 + draw.choice([-1.0, 1.0], (len(images), 1, 1, 1)) * 2.0**-52
                return images * factors if np.ptp(images) else images

            try:
                found.append(run(rounded))
            finally:
                self.source.restore(kept)
        return found

    # draws

    def supply(self, draws: list[Any]) -> Any:
        """What the target is handed: the source's draws, in the order that was found."""

        def give(number: int, draw: Any) -> Any:
            pairs = self.pairing or [(i, 0, False) for i in range(len(draws))]
            if number >= len(pairs) or pairs[number][0] >= len(draws):
                return None
            source, layout, flip = pairs[number]
            ways = layouts(draws[source].shape, draw.shape)
            if layout >= len(ways):
                return None
            return handed(draws[source], draw, ways[layout], flip)

        return give

    @staticmethod
    def again(draws: list[Any]) -> Any:
        """The same draws for the source once more."""
        return lambda number, draw: draws[number].value if number < len(draws) else None

    @staticmethod
    def halves(seed: int) -> Any:
        """Prescribed masks that drop about half; other draws stay natural."""

        def give(number: int, draw: Any) -> Any:
            draw_of = np.random.default_rng([seed, number])
            return draw_of.integers(0, 2, draw.shape).astype("float64") if draw.kind == "mask" else None

        return give

    def pair(self, images: Any, labels: Any) -> None:
        """Which draw of the source each of the target's is: the first way in which losses agree."""
        ours_draws, theirs_draws = [], []
        kept = self.source.kept(), self.target.kept()
        expected, _ = self.source.loss(images, labels, self.halves(3), ours_draws)
        first, _ = self.target.loss(images, labels, self.supply(ours_draws), theirs_draws)
        self.source.restore(kept[0]), self.target.restore(kept[1])
        count = len(ours_draws)
        if count != len(theirs_draws):
            self.rows.append(
                ("draws: count", float("inf"), 0.0, f"{count} draws, the target makes {len(theirs_draws)}")
            )
            return
        if not count or abs(first - expected) <= EXACT * abs(expected):
            return
        options = []
        for theirs in theirs_draws:
            fitting = [
                (number, layout, flip)
                for number, ours in enumerate(ours_draws)
                for layout in range(min(2, len(layouts(ours.shape, theirs.shape))))
                for flip in ((False, True) if "normal" not in (ours.kind, theirs.kind) else (False,))
            ]
            options.append(fitting)
        for tried, pairs in enumerate(_orders(options)):
            if tried >= (60 if self.quick else 400):
                break
            self.pairing = pairs
            found, _ = self.target.loss(images, labels, self.supply(ours_draws), [])
            self.target.restore(kept[1])
            if abs(found - expected) <= EXACT * abs(expected):
                return
        self.pairing = None

    # trainings

    def train(self, name: str, kind: str, steps: int, count: int, size: tuple[int, int], prescribed: bool) -> None:
        """Steps of SGD from the weights as they are; loss, every gradient, everything afterwards."""
        kept = self.source.kept(), self.target.kept()
        batches = [pictures(kind, count, size, self.scale, 50 + step) for step in range(steps)]
        labels = [np.random.default_rng(70 + step).integers(0, max(self.classes, 2), count) for step in range(steps)]
        kept_draws: list[list[Any]] = []

        def source_steps(change: Any) -> Any:
            found = []
            self.source.begin()
            for step in range(steps):
                draws: list[Any] = []
                again = step < len(kept_draws)
                give = self.again(kept_draws[step]) if again else self.halves(step) if prescribed else None
                loss, grads = self.source.loss(change(batches[step]), labels[step], give, draws)
                if not again:
                    kept_draws.append(draws)
                self.source.step()
                found.append((loss, self.source.flat(grads), self.source.flat(self.source.arrays())))
            return found

        try:
            ours = source_steps(lambda images: images)
        except Exception as error:
            self.said.append(f"{name}: the source itself fails ({type(error).__name__})")
            self.source.restore(kept[0])
            return
        self.source.restore(kept[0])
        noise: list[Any] = []

        def noisy() -> list[Any]:
            """The source after roundings; itself, where it doesn't even repeat itself: that excuses nothing."""
            if not noise:
                again = source_steps(lambda images: images)
                self.source.restore(kept[0])
                if all(abs(old[0] - new[0]) <= EXACT * abs(old[0]) for old, new in zip(ours, again, strict=True)):
                    noise.extend(self.noisy(source_steps))
                else:
                    self.said.append(f"{name}: the source gives something else a second time")
                    noise.append(ours)
            return noise

        def others(step: int, what: int) -> list[Any]:
            return [steps[step][what] for steps in noisy()]

        before = len(self.rows)
        try:
            self.target.begin()
            for step in range(steps):
                draws: list[Any] = []
                loss, grads = self.target.loss(batches[step], labels[step], self.supply(kept_draws[step]), draws)
                self.target.step()
                if len(draws) != len(kept_draws[step]):
                    where = f"{len(kept_draws[step])} draws, the target makes {len(draws)}"
                    self.rows.append((f"{name}: draws", float("inf"), 0.0, where))
                self.compare(f"{name}: loss", ours[step][0], loss, lambda step=step: others(step, 0))
                theirs = self.target.flat(grads), self.target.flat(self.target.arrays())
                self.vectors(f"{name}: gradient", ours[step][1], theirs[0], lambda step=step: others(step, 1))
                last = step == steps - 1
                if last:
                    self.vectors(f"{name}: after", ours[step][2], theirs[1], lambda step=step: others(step, 2))
        except Exception as error:
            self.fails(name, error)
        if self.source.flat_channel or self.target.flat_channel:
            self.said.append(f"{name}: batch norm of a flat channel; chance decides, and nothing is compared")
            del self.rows[before:]
            self.source.flat_channel = self.target.flat_channel = False
        self.target.restore(kept[1])

    def vectors(self, name: str, ours: Any, theirs: Any, noise: Any) -> None:
        """Array by array, number by number, where both have it."""
        start, worst = 0, float(np.abs(ours[self.found]).max(initial=0.0))
        for array, size in zip(self.source.names, self.source.sizes(), strict=True):
            chosen = np.arange(start, start + size)[self.found[start : start + size]]
            start += size
            if len(chosen):
                there = theirs[self.index[chosen]]
                self.compare(
                    name, ours[chosen], there, lambda chosen=chosen: [other[chosen] for other in noise()], worst, array
                )

    def run(self, fresh: Any) -> None:
        """Everything that is asked."""
        images = pictures("noise", 2, self.size, self.scale, 1)
        self.classes = self.source.logits(images, None, []).shape[-1]
        sizes = (SIZES[:3] if self.quick else SIZES) if self.free else (self.size,)
        batches = BATCHES[:3] if self.quick else BATCHES
        for size in sizes:
            self.predictions(f"size {size[0]}x{size[1]}", pictures("noise", 2, size, self.scale, 2))
        for count in batches:
            self.predictions(f"batch {count}", pictures("noise", count, self.size, self.scale, 3))
        for kind in KINDS[1:]:
            self.predictions(f"{kind} pictures", pictures(kind, 2, self.size, self.scale, 4))
        labels = np.random.default_rng(9).integers(0, max(self.classes, 2), BATCH)
        self.pair(pictures("noise", BATCH, self.size, self.scale, 8), labels)
        for kind in KINDS:
            steps = 2 if self.quick else STEPS
            self.train(f"train {kind}", kind, steps, BATCH, self.size, False)
        self.train("train noise, prescribed draws", "noise", 1, BATCH, self.size, True)
        for size in sizes[1:]:
            self.train(f"train at size {size[0]}x{size[1]}", "noise", 1, 2, size, False)
        for count in batches[:4]:
            self.train(f"train batch {count}", "noise", 1, count, self.size, True)
        jittered = self.source.flat(self.source.arrays())
        self.put(np.where(self.found, fresh, jittered))
        for kind in KINDS[:2] if self.quick else KINDS:
            self.train(f"train fresh {kind}", kind, 1, BATCH, self.size, False)


def _orders(options: list[list[tuple[int, int, bool]]]) -> Any:
    """Ways to pair, each draw of the source once; the order as it is, all on one side, first."""
    count = len(options)
    for layout in (0, 1):
        for flip in (False, True):
            first = [(number, layout, flip) for number in range(count)]
            if all(one in fitting for one, fitting in zip(first, options, strict=True)):
                yield first

    def rest(number: int, used: frozenset[int]) -> Any:
        if number == count:
            yield []
            return
        for one in sorted(options[number], key=lambda one: (one[2], one[1], abs(one[0] - number))):
            if one[0] not in used:
                for more in rest(number + 1, used | {one[0]}):
                    yield [one, *more]

    yield from rest(0, frozenset())
