"""Steps of training made again, with the settings of either side, from the same start on the same images.

The net is the account's graph in one framework, in float64. The gradient of any loss by the logits is worked out here,
and handed to the net as labels of the binary cross-entropy of each logit, whose slope is (sigmoid(z) - label) / K: the
label sigmoid(z) - K g gives the slope g. The step is the optimizer page's truth.

    train.optimizer, rate, factors (of the rate, a step each), momentum, nesterov, beta1, beta2, epsilon
    train.momentum_form  "without its rate" (PyTorch) | "with its rate" (Keras)
    train.clip, clip_form "all together" | "each array" | "each number"
    train.epsilon_form  "beside the root" (after the correction, PyTorch) | "before the correction" (Keras)
    train.decay, decay_form "coupled" | "decoupled", decay_scope "all" | "kernels"
    train.loss "cross-entropy" | "binary cross-entropy" | "squares", softmaxes, reduction, smoothing, broadcast
    train.batch_size, drop_last, shuffle, buffer, augment, stream; mode "train" | "eval"; keeps_gradients
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import bundle as bundles
from bakeoff import frameworks, optimizers
from bakeoff.bundle import Bundle
from bakeoff.difference import nets, starts
from bakeoff.difference.account import Account
from bakeoff.difference.scripts import CLIP, Record
from bakeoff.difference.worlds import centred, distance, kept
from bakeoff.errors import UnsupportedError, UsageError
from bakeoff.files import workspace
from bakeoff.graph import interpreter
from bakeoff.graph.graph import Graph
from bakeoff.ops._page import Mode
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Array
from bakeoff.seeds import rng
from bakeoff.workers.launch import Worker

ASKED = 64  # images whose logits are compared after the steps
SEEDS = {500_000: 19, 5_000_000: 4}  # how many others are tried, by the parameters of the net; of larger ones, one

WIDE = {"train.loss": "cross-entropy", "train.softmaxes": 1, "train.reduction": "mean", "train.smoothing": 0.0}


class Training:
    """Steps that are made again; a context manager, since it holds a worker.

    Args:
        a: whose recorded images and start weights are used for both sides, unless a switch says otherwise.
        worker: of a framework; None: one is started.
    """

    name = "train"

    def __init__(self, a: Account, worker: Worker | None = None) -> None:
        self.given = worker
        record: Record = a.record
        self.base, self.record, self.floor = a, record, 0.0
        self.others: Sequence[float] = ()
        self.pixels = np.concatenate(record.pixels)[:ASKED]
        known = [one for one in record.labels if one is not None]
        whole = np.concatenate(known) if known and all(one.ndim == 1 for one in known) else None
        kind = whole is not None and whole.dtype.kind in "iu"
        self.labels = whole[:ASKED] if whole is not None and kind else None
        self._known: dict[str, tuple[Any, Array]] = {}

    def __enter__(self) -> Training:
        self.stack = ExitStack()
        started = self.given or Worker(frameworks.installed()[0], precision="float64", threads=1)
        self.worker = started if self.given else self.stack.enter_context(started)
        self.folder = self.stack.enter_context(workspace("replay"))
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.__exit__(*error)

    @property
    def noise(self) -> float:
        """The most that other seeds do."""
        return max(self.others, default=0.0)

    def outcome(self, account: Account) -> Array:
        """Centred logits after the steps, and a column of what its evaluation counts as right, (N, K + 1)."""
        key = self._key(account)
        if key not in self._known:
            self._known[key] = (account, self._outcome(account, self.trained(account)))
        return self._known[key][1]

    def scores(self, account: Account) -> Array | None:
        """Centred logits after the steps, (N, K)."""
        return self.outcome(account)[:, :-1]

    def reseeded(self) -> list[float]:
        """How far other seeds move the base's outcome, by the same distance as the gap: the same images in other orders
        and batches, other masks of dropout and, where laws count, other start weights of the base's law.

        The largest of n is a bound that one more seed passes with probability 1 / (n + 1), whatever their distribution:
        all n + 1 are equally likely to be the largest (Barnard, 1963; Hope, 1968). So 19 say it at 5 %, 4 at 20 %, and
        one at 50 %.
        """
        assert self.base.graph is not None
        count = next((n for most, n in SEEDS.items() if self.base.graph.count() <= most), 1)
        found = (self._outcome(self.base, self.trained(self.base, seed=seed)) for seed in range(1, count + 1))
        return [distance(one, self.outcome(self.base)) for one in found]

    def first_step(self, account: Account) -> dict[str, dict[str, Array]]:
        """What the first batch does to the base's start: gradients, moves of weights, moves of statistics; each by the
        settings of the arrays. What rounding alone moves is left out.
        """
        assert account.graph is not None
        used = account.settings.get("train.record") or self.record
        after = self.trained(account, replace(used, pixels=used.pixels[:1], labels=used.labels[:1]))
        with np.load(self.folder / "gradients.npz") as file:
            found = {"gradients": dict(file), "first step": {}, "running statistics": {}}
        before, kinds = self._from(account, 0).arrays(), {"weight": "first step", "state": "running statistics"}
        for path, p in after.parameters.items():
            if p.role in kinds:
                found[kinds[p.role]][path] = p.array - before[path]
        keys, idle = nets.slots(after), _idle(after)
        return {
            name: {keys[p]: x for p, x in each.items() if p in keys and p not in idle} for name, each in found.items()
        }

    def _outcome(self, account: Account, after: Graph) -> Array:
        z = self.answers(after, account)
        right = np.zeros(len(z))
        if self.labels is not None:
            labels = self.labels
            if account.settings.get("eval.labels") == "shuffled apart":
                labels = rng(0, "labels shuffled apart").permutation(labels)
            right = (z.argmax(1) == labels).astype(float)
        return np.concatenate([z, right[:, None]], 1)

    def answers(self, graph: Graph, account: Account) -> Array:
        """Centred logits of the images that are asked about."""
        x = self._inputs(self.pixels, account).astype("float64")
        mode = Mode(train=True, mask=kept) if account.settings.get("eval.mode") == "train" else Mode()
        return centred(interpreter.run(graph.astype("float64"), x, mode))

    def trained(self, account: Account, record: Record | None = None, *, own: bool = False, seed: int = 0) -> Graph:
        """The net after the steps.

        Args:
            account: gives net and settings.
            record: whose images; None: the base's, or the stream that a switch brought.
            own: whether batches and start stay as they were recorded.
            seed: of what is drawn by chance; 0: as it was drawn.
        """
        assert account.graph is not None
        s = account.settings
        used = record or s.get("train.record") or self.record
        pixels, labels = list(used.pixels), list(used.labels)
        if any(one is None for one in labels):
            raise UsageError(
                f"{account.name}: the labels of its batches weren't seen, so its steps can't be made again."
            )
        if not own:
            pixels, labels = _batches(pixels, labels, int(s.get("train.batch_size") or 0), seed)
        start = account.graph if own else self._from(account, seed)
        return self._steps(start, [self._inputs(one, account) for one in pixels], labels, {**s, "train.masks": seed})

    def _from(self, account: Account, seed: int) -> Graph:
        """A net with the base's start weights, where it is built alike: other start weights are another seed's. Where
        laws count, with those numbers as its own law draws them.
        """
        base, graph = self.base.graph, account.graph
        assert base is not None
        assert graph is not None
        if graph is not base and nets.alike(graph, base):
            mine = {key: v for key, v in nets.settings(base).items() if key.startswith("array.")}
            graph = nets.switched(graph, mine)
        return starts.drawn(graph, self.base.settings, account.settings, seed)

    def _inputs(self, pixels: Array, account: Account) -> Array:
        s = account.settings
        mean = np.array(s.get("input.mean", (0.0,) * pixels.shape[3]))
        std = np.array(s.get("input.std", (1 / 255,) * pixels.shape[3]))
        return np.asarray((pixels / 255 - mean) / std)

    def _steps(self, graph: Graph, images: Sequence[Array], labels: Sequence[Array], s: Mapping[str, Any]) -> Graph:
        if s.get("train.optimizer", "sgd") not in optimizers.names():
            raise UnsupportedError(
                f"{s['train.optimizer']}: no page of this optimizer, so its steps can't be made again."
            )
        if s.get("train.mode") == "eval":
            graph = silent(graph)
        size, channels = images[0].shape[1:3], int(images[0].shape[3])
        names = tuple(map(str, range(max(2, int(str(graph.output_shape[-1]))))))
        signature = Signature((int(size[0]), int(size[1])), channels if channels in (1, 3) else 3)
        bundles.write(self.folder / "net", Bundle(graph.astype("float64"), signature, names))
        arrays = {f"images{i}": x for i, x in enumerate(images)} | {f"labels{i}": y for i, y in enumerate(labels)}
        np.savez(self.folder / "batches.npz", **arrays)  # type: ignore[arg-type]
        plain = {key: value for key, value in s.items() if key.startswith("train.") and _plain(value)}
        call = {"settings": json.dumps(plain), "folder": str(self.folder), "framework": self.worker.framework}
        self.worker.call("bakeoff.difference.replay:steps", **call)
        with np.load(self.folder / "after.npz") as file:
            return graph.astype("float64").with_arrays(dict(file))

    def _key(self, account: Account) -> str:
        s = account.settings
        told = {key: s[key] for key in s if key.startswith(("train.", "eval.", "input.", "start.")) and _plain(s[key])}
        parts = {key: v for key, v in s.items() if key.startswith(("net.", "array."))}
        net = [(key, v if not isinstance(v, np.ndarray | Graph) else id(v)) for key, v in sorted(parts.items())]
        net = [pair for pair in net if pair[0] != nets.WHOLE]
        return repr((sorted(told.items()), net, id(s.get("train.record"))))

    def unexplained(self, account: Account) -> float | None:
        """How far the account's own steps, made again, end from what was recorded, of how far they went; None where
        something random was in them."""
        record: Record = account.record
        if not record.exact or any(one is None for one in record.labels) or account.graph is None:
            return None
        after = self.trained(account, record, own=True).arrays()
        before, moved, left, idle = account.graph.arrays(), 0.0, 0.0, _idle(account.graph)
        for path, array in record.end.items():
            if path in after and path in before and array.dtype.kind == "f" and path not in idle:
                moved += float(np.square(array.astype("f8") - before[path]).sum())
                left += float(np.square(array.astype("f8") - after[path]).sum())
        return float(np.sqrt(left / moved)) if moved else 0.0


def _idle(graph: Graph) -> set[str]:
    """Biases before a BatchNorm: the batch's mean takes them out, so that rounding alone moves them under Adam."""
    read = {node.inputs[0].node for node in graph.nodes if node.op == "batch_norm" and node.keeps_state}
    return {str(node.parameters["bias"]) for node in graph.nodes if node.id in read and "bias" in node.parameters}


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | tuple | list)


def silent(graph: Graph) -> Graph:
    """The net as it predicts, in training too: statistics are frozen, nothing is dropped."""
    changes: dict[str, Any] = {"net.batch_norm.statistics": "frozen"}
    changes |= {f"net.{op}.rate": 0.0 for op in ("dropout", "drop_path")}
    return nets.switched(graph, changes)


def _batches(pixels: list[Array], labels: list[Array], size: int, seed: int) -> tuple[list[Array], list[Array]]:
    """The same images in batches of a size (0: as they are), with a seed in another order."""
    if not seed and size in (0, len(pixels[0])):
        return pixels, labels
    whole, known = np.concatenate(pixels), np.concatenate(labels)
    if seed:
        order = rng(seed, "another order").permutation(len(whole))
        whole, known = whole[order], known[order]
    ends = np.cumsum([len(one) for one in pixels]) if size in (0, len(pixels[0])) else range(size, len(whole) + 1, size)
    parts = [slice(start, end) for start, end in pairwise((0, *ends))] or [slice(0, len(whole))]
    return [whole[part] for part in parts], [known[part] for part in parts]


# in the worker --------------------------------------------------------------------------------------------------------


def steps(session: dict[str, Any], reporter: Any, *, settings: str, folder: str, framework: str) -> None:
    """A worker's function: the net of a folder, after one step a batch."""
    s = json.loads(settings)
    graph = bundles.read(Path(folder) / "net").graph
    with np.load(Path(folder) / "batches.npz") as file:
        batches = dict(file)
    net = frameworks.load(framework).native(graph, precision="float64", threads=1)
    net.compile("sgd", {}, "multi_label_cross_entropy")
    arrays = {path: array.copy() for path, array in graph.arrays().items()}
    learned = [path for path, p in graph.parameters.items() if p.role == "weight" and p.trainable]
    page = optimizers.page(str(s.get("train.optimizer", "sgd")))
    told = {**s, "train.weight_decay": 0.0}  # decay is done here
    chosen = page.Settings(
        **{n: told[f"train.{n}"] for n in page.Settings.__dataclass_fields__ if f"train.{n}" in told}
    )
    slots = {path: page.start(arrays[path]) for path in learned}
    kept: dict[str, Array] = {}
    for number in range(len(batches) // 2):
        images, labels = batches[f"images{number}"], batches[f"labels{number}"]
        net.load(arrays)
        if any(node.draws for node in graph.nodes):
            z, net.given = _drawn(graph.with_arrays(arrays), images, number, int(s.get("train.masks", 0)))
        else:
            z = net.logits(images, train=True)
        net.load(arrays)
        g = slope(np.asarray(z, np.float64), labels, s)
        net.gradients(images, 1 / (1 + np.exp(-z)) - g.shape[1] * g)
        gradients = {path: len(images) * one for path, one in net.gradient_arrays().items() if path in slots}
        if not number:
            np.savez(Path(folder) / "gradients.npz", **gradients)  # type: ignore[arg-type]
        if s.get("train.keeps_gradients"):
            kept = {path: kept.get(path, 0.0) + one for path, one in gradients.items()}
            gradients = dict(kept)
        net.forget()
        state = net.arrays()
        arrays |= {path: state[path] for path, p in graph.parameters.items() if p.role == "state" and path in state}
        if s.get("train.clip"):
            gradients = _clipped(gradients, float(s["train.clip"]), str(s.get("train.clip_form")))
        for path, gradient in gradients.items():
            arrays[path], slots[path] = _stepped(page, chosen, s, arrays[path], gradient, slots[path], number)
    np.savez(Path(folder) / "after.npz", **arrays)  # type: ignore[arg-type]


def _drawn(graph: Graph, images: Array, number: int, seed: int) -> tuple[Array, dict[str, Array]]:
    """Logits of a training pass in NumPy, and the masks of its dropout: the same numbers for every rate."""
    drawing = [node.id for node in graph.nodes if node.draws]
    masks: list[Array] = []

    def mask(shape: tuple[int, ...], keep: float) -> Array:
        masks.append(kept(shape, keep, number, len(masks), seed).astype(np.float64))
        return masks[-1]

    z = interpreter.run(graph, images, Mode(train=True, mask=mask))
    return z, dict(zip(drawing, masks, strict=True))


def _clipped(gradients: dict[str, Array], most: float, form: str) -> dict[str, Array]:
    if form == "each number":
        return {path: np.clip(one, -most, most) for path, one in gradients.items()}
    norms = {path: float(np.sqrt(np.square(one).sum())) for path, one in gradients.items()}
    if form != "each array":
        norms = dict.fromkeys(norms, float(np.sqrt(sum(one**2 for one in norms.values()))))
    return {path: one * min(1.0, most / (norms[path] or 1.0)) for path, one in gradients.items()}


def _stepped(
    page: Any, chosen: Any, s: Mapping[str, Any], w: Array, g: Array, slots: Any, number: int
) -> tuple[Array, Any]:
    factors = s.get("train.factors") or [1.0]
    factor, before = (float(factors[min(max(0, at), len(factors) - 1)]) for at in (number, number - 1))
    rate = float(s.get("train.rate", 0.01)) * factor
    if s.get("train.momentum_form") == "with its rate" and factor:  # page and PyTorch: b = m b + g, w - rate b
        slots = {name: one * (before / factor) for name, one in slots.items()} if isinstance(slots, dict) else slots
    decay = float(s.get("train.decay") or 0.0) if s.get("train.decay_scope") != "kernels" or w.ndim > 1 else 0.0
    if s.get("train.decay_form") == "decoupled":
        w = w * (1 - rate * decay)
    else:
        g = g + decay * w
    if s.get("train.epsilon_form") == "before the correction" and hasattr(chosen, "beta2") and hasattr(chosen, "beta1"):
        chosen = replace(chosen, epsilon=chosen.epsilon / np.sqrt(1 - chosen.beta2 ** (number + 1)))
    found: tuple[Array, Any] = page.truth(w, g, slots, number + 1, rate, chosen)
    return found


def slope(z: Array, labels: Array, s: Mapping[str, Any]) -> Array:
    """The derivative of the whole batch's loss by its logits, (N, K)."""
    told = {**WIDE, **s}
    count = len(z) if told["train.reduction"] == "mean" else 1
    if told["train.loss"] == "squares":
        return _of_squares(z, labels, bool(told.get("train.broadcast")), count)
    if told["train.loss"] == "binary cross-entropy":
        return np.asarray((1 / (1 + np.exp(-z)) - labels.reshape(z.shape)) / count)
    if told["train.loss"] != "cross-entropy":
        raise UnsupportedError("a loss of the script's own: its steps can't be made again.")
    kinds = z.shape[1]
    shares = np.eye(kinds)[labels] if labels.ndim == 1 else labels.astype(np.float64)
    smoothing = float(told["train.smoothing"])
    shares = (1 - smoothing) * shares + smoothing / kinds
    softmaxes = int(told["train.softmaxes"])
    values = [z]
    for _ in range(softmaxes - 1):
        values.append(_softmax(values[-1]))
    if softmaxes:
        g = (_softmax(values[-1]) - shares) / count
    else:  # numbers that are no probabilities, taken for some, as Keras does: clipped, and over their sum
        p, inside = np.clip(z, CLIP, 1 - CLIP), (z > CLIP) & (z < 1 - CLIP)
        g = (shares.sum(1, keepdims=True) / p.sum(1, keepdims=True) - shares / p) * inside / count
    for value in reversed(values[1:]):
        g = value * (g - (value * g).sum(1, keepdims=True))
    return np.asarray(g)


def _softmax(z: Array) -> Array:
    p = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(p / p.sum(1, keepdims=True))


def _of_squares(z: Array, labels: Array, broadcast: bool, count: int) -> Array:
    """Of (z - y)^2; broadcast, [n, 1] - [n] is every pair, whose mean pulls all outputs to the mean label."""
    if z.shape[1] > 1 and labels.ndim == 1:
        y = np.eye(z.shape[1])[labels]
    else:
        y = np.asarray(labels, np.float64).reshape(z.shape)
    y = np.full_like(y, y.mean()) if broadcast else y
    pairs = len(z) if broadcast and count == 1 else 1
    return np.asarray(2 * pairs * (z - y) / (count * z.shape[1]))


# a run's recipe -------------------------------------------------------------------------------------------------------


def of_phase(phase: Any, recipe: Any) -> dict[str, Any]:
    """The settings `train.*` that a phase of a recipe states."""
    usual = optimizers.page(phase.optimizer.name).Settings()
    told = {name: getattr(usual, name) for name in usual.__dataclass_fields__}
    told |= {key: value for key, value in phase.optimizer.settings().items() if value is not None}
    decay, decoupled = told.pop("weight_decay", 0.0), phase.optimizer.name == "adamw"
    if decay:
        told |= {"decay": decay, "decay_form": "decoupled" if decoupled else "coupled"}
        told |= {"decay_scope": "all" if phase.decay_vectors else "kernels"}
    return {
        **WIDE,
        "train.epsilon_form": "beside the root" if "epsilon" in told else None,
        "train.optimizer": "adam" if decoupled else phase.optimizer.name,
        **{f"train.{key}": value for key, value in told.items()},
        "train.rate": phase.schedule.peak,
        "train.schedule": phase.schedule.name,
        "train.batch_size": phase.batch_size,
        "train.epochs": phase.epochs,
        "train.smoothing": phase.label_smoothing,
        "train.drop_last": phase.drop_last,
        "train.clip": phase.clip,
        "train.shuffle": "images",
        "train.seed": recipe.seed,
    }
