"""What a net is asked, live or rebuilt: the same questions in every process.

predictions     logits with the weights as they are: of a few images ("given"), other batches, other sizes, flat images
flat            one training pass on black, white, grey and saturated images, every second channel of what layers
                give 0: ties everywhere, after a norm, too
telling         logits with weights under which a mistake shows
training        gradients of the first batch, steps of SGD with momentum, statistics and weights afterwards
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bakeoff.parity.draws import Draws, still
from bakeoff.parity.noise import rounded
from bakeoff.parity.trace import NONE, Arrays, Trace
from bakeoff.protocols import Net
from bakeoff.schemas import Array, StepResult
from bakeoff.seeds import rng

STEPS = 4
RATE, MOMENTUM = 2**-10, 0.875  # exact in float32: Keras takes Python floats through it even in float64
SGD: tuple[str, Mapping[str, float]] = ("sgd", {"momentum": MOMENTUM})
BATCHES = (1, 3)  # sizes of batches besides the main one
State = Callable[[Net], Arrays]


class Mean(Protocol):
    """A running mean of weights beside the steps."""

    def start(self, arrays: Arrays) -> None:
        """Begin with these."""

    def see(self, step: int, arrays: Callable[[], Arrays]) -> None:
        """After a step."""


@dataclass(frozen=True)
class Trial:
    """The questions; images normalised, (N, H, W, C).

    Attributes:
        predictions: images by question.
        steps: (images, labels) of each step of training; none: only predictions are asked.
        flat: (images, labels) of one pass on images without a texture; None: not asked.
        loss: the page of the loss.
        optimizer: (page, settings).
        roles: "weight" or "state" by path, of the parameters that are judged; what no pass reads is left out.
        tied: paths of the weights whose every second channel is 0 in the flat pass.
    """

    predictions: Mapping[str, Array]
    steps: Sequence[tuple[Array, Array]] = ()
    flat: tuple[Array, Array] | None = None
    loss: str = "softmax_cross_entropy"
    optimizer: tuple[str, Mapping[str, float]] = field(default=SGD)
    roles: Mapping[str, str] = field(default_factory=dict)
    tied: Sequence[str] = ()

    def astype(self, dtype: str) -> Trial:
        """The same in another precision."""
        return self._each(lambda _, images: images.astype(dtype))

    def rounded(self, draw: int) -> Trial:
        """The same, every number of an image changed by some roundings; flat images stay flat: by one for them all."""
        changed = self._each(lambda name, images: rounded({name: images}, draw)[name])
        if self.flat is None:
            return changed
        scale = 1 + float(rng(draw, "rounded flat").uniform(2, 4)) * 2.0**-52
        both = {**changed.predictions, "flat": self.flat[0] * scale}
        kept = {name: both[name] for name in self.predictions}
        return replace(changed, predictions=kept, flat=(self.flat[0] * scale, self.flat[1]))

    def _each(self, change: Callable[[str, Array], Array]) -> Trial:
        predictions = {name: change(name, images) for name, images in self.predictions.items()}
        steps = [(change(f"step {i}", x), y) for i, (x, y) in enumerate(self.steps)]
        flat = None if self.flat is None else (change("flat", self.flat[0]), self.flat[1])
        return replace(self, predictions=predictions, steps=steps, flat=flat)

    def judged(self, arrays: Arrays, *roles: str) -> Arrays:
        """Those of a role, or of any, that are judged."""
        return {path: a for path, a in arrays.items() if self.roles.get(path) in (roles or ("weight", "state"))}

    def without(self, questions: Sequence[str]) -> Trial:
        """Less some predictions."""
        kept = {name: images for name, images in self.predictions.items() if name not in questions}
        return replace(self, predictions=kept)

    def only(self, checks: Collection[str]) -> Trial:
        """What these checks rest on, by the judge's names: of noise nobody needs more, and it is trainings."""
        parted = [name.partition(".")[::2] for name in checks]
        logits = {
            "given" if q == "telling" else q for kind, q in parted if kind in ("logits", "labels", "between_images")
        }
        passes = {q for kind, q in parted if kind in ("losses", "gradients", "statistics", "weights", "draws")}
        kept = {name: images for name, images in self.predictions.items() if name in logits}
        steps = self.steps if passes - {"flat"} else ()
        return replace(self, predictions=kept, steps=steps, flat=self.flat if "flat" in passes else None)

    def briefly(self) -> Trial:
        """The given images alone: what is asked in float32."""
        return replace(self, predictions={"given": self.predictions["given"]}, steps=(), flat=None)

    def save(self, path: Path) -> None:
        """Write an `.npz`; the optimizer isn't in it."""
        arrays = {f"predict/{name}": images for name, images in self.predictions.items()}
        for i, (images, labels) in enumerate(self.steps):
            arrays |= {f"step/{i}/images": images, f"step/{i}/labels": labels}
        if self.flat is not None:
            arrays |= {"flat/images": self.flat[0], "flat/labels": self.flat[1]}
        arrays["tied"] = np.array([*self.tied], str)
        roles = {"paths": np.array([*self.roles], str), "roles": np.array([*self.roles.values()], str)}
        np.savez(path, loss=np.array(self.loss), **roles, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Trial:
        """Read what `save` wrote."""
        with np.load(path) as file:
            found = dict(file)
        head = "predict/"
        predictions = {name[len(head) :]: array for name, array in found.items() if name.startswith(head)}
        count = sum(name.startswith("step/") for name in found) // 2
        steps = [(found[f"step/{i}/images"], found[f"step/{i}/labels"]) for i in range(count)]
        flat = (found["flat/images"], found["flat/labels"]) if "flat/images" in found else None
        roles = dict(zip(found["paths"].tolist(), found["roles"].tolist(), strict=True))
        return cls(predictions, steps, flat, str(found["loss"]), roles=roles, tied=found["tied"].tolist())


def ask(net: Any, trial: Trial, state: State, draws: Draws | None = None, known: Arrays = NONE) -> Trace:
    """All questions to one net, which is changed by them.

    Args:
        net: see `protocols.Net`, as far as the questions need it.
        state: gives the weights under which a mistake shows; the net holds them afterwards.
        draws: what it draws in training; None: its own.
        known: logits that it has given already.
    """
    draws = draws or Draws()
    logits = {q: known[q] if q in known else net.logits(images) for q, images in trial.predictions.items()}
    trace = Trace(logits=logits)
    if trial.flat is not None:
        trace = trace.joined(_one_pass(net, trial, draws, *trial.flat))
    net.load(state(net))
    if "given" in trial.predictions:
        trace = trace.joined(Trace(logits={"telling": net.logits(trial.predictions["given"])}))
    return trace.joined(trained(net, trial, draws)) if trial.steps else trace


def _one_pass(net: Any, trial: Trial, draws: Draws, images: Array, labels: Array) -> Trace:
    """Loss and gradients of one pass, after which the net is as before."""
    question, before = "flat", net.arrays()
    net.load({path: _tied(before[path]) for path in trial.tied if path in before})
    net.compile(*trial.optimizer, trial.loss)
    result = drawing_gradients(net, draws, question, images, labels)
    gradients = trial.judged(net.gradient_arrays())
    net.load(before)
    losses = {question: np.array([result.loss / result.count])}
    return Trace(losses=losses, gradients={question: gradients}, draws={question: draws.found[question]})


def _tied(array: Array) -> Array:
    """Every second channel is 0, and learns by what the net's functions do there; the others carry gradients on."""
    changed = array.copy()
    if changed.ndim:  # a scalar has no channels
        changed[..., 1::2] = 0
    return changed


def trained(net: Any, trial: Trial, draws: Draws) -> Trace:
    """Gradients of the first batch, losses of the steps, what the first pass left, everything after the last."""
    net.compile(*trial.optimizer, trial.loss)
    losses: list[float] = []
    gradients: Arrays = {}
    first: Arrays = {}
    drawn = {}
    for step, (images, labels) in enumerate(trial.steps):
        question = f"step {step}"
        result = drawing_gradients(net, draws, question, images, labels)
        drawn[question] = draws.found[question]
        if step == 0:
            gradients, first = trial.judged(net.gradient_arrays()), trial.judged(net.arrays())
        net.apply(RATE)
        losses.append(result.loss / result.count)
    return Trace(
        losses={"training": np.array(losses)},
        gradients={"training": gradients},
        first=first,
        statistics=trial.judged(net.arrays(), "state"),
        weights=trial.judged(net.arrays(), "weight"),
        draws=drawn,
        still=still(net, lambda: net.gradients(*trial.steps[0])) if any(drawn.values()) else {},  # the last of all
    )


# steps as training makes them -----------------------------------------------------------------------------------------


def stepped(
    net: Net,
    images: list[Array],
    labels: list[Array],
    rate: Callable[[int], float],
    accumulate: int,
    mean: Mean | None = None,
    wrong: Callable[[Arrays], Mapping[str, Array]] | None = None,
    draws: Draws | None = None,
) -> Array:
    """Mean losses of the optimizer steps, each over so many micro-batches: by the same calls as in training.

    Args:
        wrong: gives the errors that are added to gradients before each step.
        draws: of a net that draws in training: what it draws; such steps are made one by one.
    """
    alone = accumulate == 1 and wrong is None and draws is None
    if mean:
        mean.start(net.arrays())
    elif alone:
        return net.steps(images, labels, [rate(step) for step in range(len(images))])
    losses = []
    for step, first in enumerate(range(0, len(images), accumulate)):
        these = slice(first, first + accumulate)
        if alone:
            losses.append(float(net.steps(images[these], labels[these], [rate(step)])[0]))
        else:
            pairs = zip(images[these], labels[these], strict=True)
            results = [drawing_gradients(net, draws, f"step {first + i}", *pair) for i, pair in enumerate(pairs)]
            if wrong is not None:
                net.disturb(wrong(net.gradient_arrays()))
            net.apply(rate(step))
            losses.append(sum(result.loss for result in results) / sum(result.count for result in results))
        if mean:
            mean.see(step + 1, net.arrays)
    return np.array(losses)


def drawing_gradients(net: Net, draws: Draws | None, question: str, images: Array, labels: Array) -> StepResult:
    """Gradients of a batch; what is drawn meanwhile is told or seen."""
    if draws is None:
        return net.gradients(images, labels)
    draws.before(net, question)
    result = net.gradients(images, labels)
    draws.after(net, question)
    return result


def errors(draw: np.random.Generator, size: float, gradients: Arrays) -> dict[str, Array]:
    """Random errors of up to `size` of each parameter's largest gradient; what is exactly 0 is no sum, and stays so."""
    return {
        path: draw.uniform(-size, size, array.shape) * np.abs(array).max(initial=0.0) * (array != 0)
        for path, array in gradients.items()
    }


def nudged(weights: Arrays, seed: int, size: float) -> dict[str, Array]:
    """Start weights changed by that much, relative."""
    changed = {}
    for path, array in weights.items():
        noise = rng(seed, "nudge", record=path).normal(size=array.shape)
        changed[path] = (array * (1 + size * noise)).astype(array.dtype)
    return changed


# images ---------------------------------------------------------------------------------------------------------------


def images(count: int, size: tuple[int, int], channels: int, seed: int) -> Array:
    """Coarse blocks of colour with noise, uint8: images that differ more than noise alone would."""
    height, width = size
    draw = rng(seed, "pictures")
    blocks = draw.uniform(0, 255, (count, 4, 4, channels))
    coarse = np.repeat(np.repeat(blocks, -(-height // 4), 1), -(-width // 4), 2)[:, :height, :width]
    mixed = 0.6 * coarse + 0.4 * draw.uniform(0, 255, (count, height, width, channels))
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def flat_images(size: tuple[int, int], channels: int, seed: int) -> Array:
    """Black, white, grey, and saturated: blocks of 0 and 255, uint8, (4, H, W, C)."""
    black = np.zeros((1, *size, channels), np.uint8)
    saturated = np.where(images(1, size, channels, seed) < 128, 0, 255).astype(np.uint8)
    return np.concatenate([black, black + 255, black + 128, saturated])


def labels(count: int, classes: int, seed: int) -> Array:
    """Random labels, int64; 0 and 1 for a single logit."""
    return rng(seed, "labels").integers(0, max(classes, 2), count)


def uneven_labels(count: int, classes: int, seed: int) -> Array:
    """The same, all but the last alike: where logits hardly differ, even ones would leave no gradient."""
    found = labels(count, classes, seed)
    found[1:-1] = found[0]
    return found
