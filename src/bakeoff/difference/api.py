"""`explain`: why two sides that should say the same do not."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.difference import inputs, nets
from bakeoff.difference.account import Account
from bakeoff.difference.canonical import without_scaling
from bakeoff.difference.causes import every
from bakeoff.difference.engine import verdict
from bakeoff.difference.replay import Training
from bakeoff.difference.report import Explained, result
from bakeoff.difference.scripts import Record
from bakeoff.difference.sides import Given, figure, open_side
from bakeoff.difference.stages import SMALL, predicting, training
from bakeoff.difference.understanding import snapped, understood
from bakeoff.difference.worlds import Expecting, Predicting, distance, rounding
from bakeoff.errors import DataError, UsageError
from bakeoff.evaluation.predict import find_images
from bakeoff.given import held
from bakeoff.parity.trial import images as synthetic
from bakeoff.preprocessing import decode
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import live

MOST, MADE = 64, 16  # images of a folder that are asked about, spread evenly; images that are made where none is given


@dataclass(frozen=True)
class Pictures:
    """The images that both sides are asked about.

    Attributes:
        content: their bytes.
        names: of their files.
        labels: the folders that they lie in; None where there are none.
        made: whether they are noise.
    """

    content: tuple[bytes, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    made: bool = False


@held
@live()
def explain(
    a: str | Path,
    b: str | Path | None = None,
    images: str | Path | None = None,
    *,
    a_input: str | None = None,
    b_input: str | None = None,
    a_pre: str | None = None,
    b_pre: str | None = None,
    b_dump: str | None = None,
    a_weights: str | None = None,
    b_weights: str | None = None,
    expect: float | None = None,
    token: str = "",
    steps: int = 8,
    start: bool = False,
    most: int = MOST,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Explained:
    """Why two sides differ: the causes, each switched alone, with place, effect, share and the line to change.

    Args:
        a: a run, a bundle, a source that `convert` reads, an exported file, a server's URL, a training script, or a
            dump (`INPUT.npy,LOGITS.npy`).
        b: the same; None with `b_dump` or `expect`.
        images: a folder, or an image; in folders named after classes, accuracy is told too. None: noise.
        a_input, b_input: how images are prepared: `keras:NAME`, `torchvision:IMAGENET1K_V1`, or `key=value,...`.
        a_pre, b_pre: FILE.py:FUNCTION from an image's path to the input.
        b_dump: what B gave elsewhere: `INPUT.npy,LOGITS.npy`.
        a_weights, b_weights: files of weights, for sources by name.
        expect: the accuracy that was promised, in percent, in the place of B.
        token: a server's secret.
        steps: of a script that are recorded.
        start: of scripts: whether the law of their start weights may be a cause; else start weights are excluded.
        most: images that are asked about at most.
        listen: gets progress.
        quiet: no bar.

    Raises:
        UsageError: sides that can't be compared; says what to give.
        DataError: a side or an image can't be read.
    """
    others = [name for name, value in (("B", b), ("--b-dump", b_dump), ("--expect", expect)) if value is not None]
    if len(others) != 1:
        raise UsageError(
            f"given as the other side: {', '.join(others) or 'nothing'}. Give one: B, --b-dump or --expect."
        )
    pictures = _pictures(images, most)
    tell = Reporter(listen)
    common: dict[str, Any] = {"images": pictures.content, "names": pictures.names, "token": token, "steps": steps}
    tell.stage(1, 2, "open both sides")
    text = str(b) if b is not None else str(b_dump)
    with ThreadPoolExecutor(2) as pool:  # each opens in processes of its own
        first = pool.submit(open_side, str(a), Given("a", input=a_input, pre=a_pre, weights=a_weights, **common))
        given = Given("b", input=b_input, pre=b_pre, weights=b_weights, **common)
        second = pool.submit(open_side, text, given) if expect is None else None
        one, two = first.result(), second.result() if second else figure(expect or 0.0)
    tell.stage(2, 2, "switch causes")
    return compared(one, two, pictures, start=start)


def compared(
    a: Account, b: Account, pictures: Pictures, *, start: bool = False, worker: Worker | None = None
) -> Explained:
    """The explanation of two accounts.

    Args:
        a: one side.
        b: the other.
        pictures: that both are asked about; scripts aren't.
        start: of scripts: whether the law of their start weights may be a cause.
        worker: of a framework in float64; None: one is started where it is needed.
    """
    if a.record is not None and b.record is not None:
        return trained(a, b, worker, start=start)
    a, b = understood(a, pictures.content, b), understood(b, pictures.content, a)
    world = _world(a, b, pictures)
    a, b = _outside(a, b, world.fallback)
    turned = _asks(b) and (not _asks(a) or (a.graph is None and b.graph is not None))  # what can be switched, first
    first, second = (b, a) if turned else (a, b)
    if not _asks(first):
        raise UsageError(
            f"{a.name}, {b.name}: neither side can be asked, so nothing can be switched.\n"
            "Give one side as a model, a run or an exported file; a dump is enough for the other."
        )
    world.floor = rounding(world, first)
    found = verdict(world, first, second, every())
    if found.causes and found.causes[0].suspect.cause.name == "weights":
        again = _as_scripts(a, b, world)
        if again:
            return trained(*again, worker)
    return Explained(result(a, b, world, found, predicting(a, b, world, found, worker), pictures, turned))


def trained(a: Account, b: Account, worker: Worker | None = None, *, start: bool = False) -> Explained:
    """The explanation of two scripts, by their steps made again from the same start weights on the same images.

    Args:
        a: a script.
        b: likewise.
        worker: of a framework in float64; None: one is started.
        start: whether the law of their start weights may be a cause.
    """
    laws = [{key: one.settings.get(key, "not known") for key in ("start.kernels", "start.biases")} for one in (a, b)]
    if not start:
        a, b = (replace(one, given={k: v for k, v in one.given.items() if k not in laws[0]}) for one in (a, b))
    turned = any(one is None for one in a.record.labels)
    first, second = (b, a) if turned else (a, b)
    if any(one.stage == "data" and "train.record" in (one.suspect(first, second) or {}) for one in every()):
        second = second.switched({"train.record": second.record})  # else both are asked about the same images
    with Training(first, worker) as world:
        world.floor = 1e-9 * float(np.abs(world.outcome(first)).max(initial=0.0))
        if distance(world.outcome(first), world.outcome(second)) > world.floor:
            world.others = world.reseeded()
        found = verdict(world, first, second, every())
        left = [world.unexplained(one) for one in (a, b)]
        told = result(a, b, world, found, training(a, b, world, found), None, turned)
    if not start:
        excluded = {"stage": "start", "state": "excluded", "detail": "both from the same start weights"}
        told["stages"] = [excluded if row["stage"] == "start" else row for row in told["stages"]]
    told["start"] = dict(zip(("a", "b"), laws, strict=True))
    told |= {"seed_noise": world.noise, "seeds": len(world.others), "seed_noise_level": 1 / (len(world.others) + 1)}
    told["unexplained"] = dict(zip(("a", "b"), left, strict=True))
    told["notes"] += [
        f"{one.name}: made again, its steps end {100 * part:.1f} % of their way off: something isn't visible"
        for one, part in zip((a, b), left, strict=True)
        if part is not None and part > STRAYED
    ]
    return Explained(told)


def _as_scripts(a: Account, b: Account, world: Predicting) -> tuple[Account, Account] | None:
    """Two runs as trainings of their recipes on the images at hand, from the same start; None where a side is no run.

    Other weights are what a training gives: its cause is in the recipes, or in the seed. Images without labels have
    those that A's net gives them.
    """
    both = (a, b)
    if any(not one.sees("train.optimizer") or one.graph is None or one.graph.count() > SMALL for one in both):
        return None
    labels = world.outcome(a).argmax(1) if world.labels is None else world.labels
    settings = {**inputs.USUAL, **world.fallback, **a.settings}
    pixels = np.stack([inputs.stages(image, settings)["channels"] for image in world.images]).astype(np.float64)
    size = max(1, min(int(a.settings["train.batch_size"]), len(labels) // 4))
    parts = [slice(at, at + size) for at in range(0, len(labels) - size + 1, size)]
    each = tuple(pixels[part] for part in parts), tuple(labels[part] for part in parts)
    record = Record(*each, (1.0,) * len(parts), {}, exact=False)
    note = "its recipe was followed for a few steps on the images at hand, from new start weights"
    made = [
        replace(one, graph=nets.fresh(one.graph, seed), record=record, notes=(*one.notes, note))
        for seed, one in enumerate(both)
        if one.graph is not None
    ]
    return made[0], made[1]


STRAYED = 0.02  # of the way that the weights went: more than float32 does in a few steps


def _asks(one: Account) -> bool:
    return (one.graph is not None or one.answer is not None) and one.seen.scores is None and one.seen.accuracy is None


def _world(a: Account, b: Account, pictures: Pictures) -> Predicting:
    names = [one.settings.get("output.classes") for one in (a, b)]
    labels = pictures.labels
    fits = [one for one in names if one and labels and set(labels) <= set(one)]
    reference = (fits or [one for one in names if one] or [None])[0]
    known = [{key: value for key, value in one.settings.items() if key.startswith("input.")} for one in (a, b)]
    usual = {**inputs.USUAL, **known[1], **known[0]}
    channels = usual["input.channels"]
    usual.setdefault("input.mean", (0.0,) * channels)
    usual.setdefault("input.std", (1.0,) * channels)
    kind = Predicting if b.seen.accuracy is None else Expecting
    return kind(pictures.content, labels, reference, usual)


def _outside(a: Account, b: Account, fallback: Mapping[str, Any]) -> tuple[Account, Account]:
    """Both with what a net does to its input first told as part of how images are prepared, where one does anything."""
    cut = [None if one.graph is None else without_scaling(one.graph) for one in (a, b)]
    if not any(one and one[3] for one in cut):
        return a, b
    found = []
    for side, one in zip((a, b), cut, strict=True):
        if one is None:
            found.append(side)
            continue
        graph, scale, shift, layer = one
        mean, std = (np.asarray(side.settings.get(key, fallback[key])) for key in ("input.mean", "input.std"))
        told = {"input.mean": mean - shift * std / scale, "input.std": std / scale}
        given = {**side.given, **{key: tuple(map(snapped, value)) for key, value in told.items()}}
        places = {**dict.fromkeys(told, layer), **side.places} if layer else side.places
        found.append(replace(side, graph=graph, given=given, places=places))
    return found[0], found[1]


def _pictures(given: str | Path | None, most: int) -> Pictures:
    if given is None:
        return _made()
    path = Path(given)
    files = [Path(str(one)) for one in find_images([path]).files]
    chosen = [files[i] for i in sorted({round(i) for i in np.linspace(0, len(files) - 1, min(most, len(files)))})]
    content = []
    for file in chosen:
        try:
            content.append(file.read_bytes())
            decode(content[-1])
        except (OSError, DataError) as error:
            raise DataError(f"{file}: {error}. Give images that can be read.") from None
    folders = [file.relative_to(path).parts[0] if path.is_dir() and file.parent != path else "" for file in chosen]
    labels = tuple(folders) if all(folders) else None
    return Pictures(tuple(content), tuple(file.name for file in chosen), labels)


def _made() -> Pictures:
    """Noise in blocks, as PNG; not square, so that a crop shows."""
    from io import BytesIO

    from PIL import Image

    content = []
    for pixels in synthetic(MADE, (240, 320), 3, seed=0):
        file = BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        content.append(file.getvalue())
    return Pictures(tuple(content), tuple(f"{i:02d}.png" for i in range(MADE)), None, made=True)
