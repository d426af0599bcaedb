"""The parent of a conversion: workers, checks, output, certificate."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Self

import numpy as np

from bakeoff import checkpoints, zoo
from bakeoff.bundle import read as read_bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.conversion import contents, judging, tracing
from bakeoff.conversion.output import STATE_DICTS, rebundled
from bakeoff.conversion.request import Request, keras_backend, requested
from bakeoff.errors import DataError, ParityError, UnsupportedError, UsageError
from bakeoff.graph.graph import Graph
from bakeoff.graph.layout import show
from bakeoff.graph.passes import of_size
from bakeoff.ops._dimension import at
from bakeoff.parity import check, relative, to_json
from bakeoff.parity.tolerance import with_noise
from bakeoff.preprocessing import Signature, normalize, prepare
from bakeoff.schemas import Array, Certificate, Check
from bakeoff.workers.channel import Listener
from bakeoff.workers.launch import Worker
from bakeoff.zoo.resolve import Found, resolve

WORK = "bakeoff.conversion.work:"
FEW, MANY = 2, 4  # images a batch, of heavy nets and of others
HEAVY = 1e9  # multiplications an image
MOST_IMAGES = 16
Report = dict[str, Any]


@dataclass(frozen=True)
class Converted:
    """A finished conversion.

    Attributes:
        output: what was written.
        certificate: what was checked.
        path: of the certificate's JSON, beside the output.
        result: what `bakeoff convert --json` prints.
    """

    output: Path
    certificate: Certificate
    path: Path
    result: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return self.certificate.passed


def convert_source(
    source: str,
    to: str,
    output: str | Path | None = None,
    *,
    listen: Listener | None = None,
    **options: Any,
) -> Converted:
    """Convert what has a name or lies in a file; see `Request` for the options.

    Raises:
        ParityError: a check failed; nothing was written but the report of the first layer that differs.
        BakeoffError: it can't be converted; says why, before any output.
    """
    request = requested(source, to, output, **options)
    weights = _weights(request, listen)
    with Work(request, weights, listen) as work:
        certificate = work.check()
        if not certificate.passed:
            raise failed(work, certificate)
        written = work.write()
        certificate = replace(certificate, checks=(*certificate.checks, *written))
        if not certificate.passed:
            work.discard()
            raise failed(work, certificate)
        return work.finish(certificate)


def _weights(request: Request, listen: Listener | None) -> Found | None:
    """The file with the weights; None where they are drawn, or lie in the source."""
    if request.kind != "zoo":
        return Found(Path(request.weights), "file", "") if request.weights else None
    if request.random_weights:
        return None
    entry = zoo.entry(request.source)
    _, _, tag = zoo.listing.split(request.source)

    def progress(done: int, total: int) -> None:
        if listen:
            listen({"kind": "progress", "phase": "download", "done": done, "total": total, "unit": "bytes", "note": ""})

    found = resolve(entry, tag, file=request.weights, mirror=request.mirror, offline=request.offline, progress=progress)
    if found.weights is not None and request.classes not in (None, entry.classes):
        raise UsageError(
            f"--classes {request.classes}: the pretrained head of {entry.name} has {entry.classes}.\n"
            "Give a file with your own head (--weights FILE), or --random-weights; train a new head: bakeoff train "
            f"--backbone {entry.name}."
        )
    if found.weights is not None and found.weights.caution and listen:
        listen({"kind": "log", "text": f"licence of {entry.name}: {found.weights.caution}"})
    return found


def failed(work: Work, certificate: Certificate) -> ParityError:
    """The error for a certificate that did not pass, once its report is written."""
    path = work.report(certificate)
    return ParityError(f"{message(work.request, certificate)}\nNothing was written but the report: {path}")


def message(request: Request, certificate: Certificate) -> str:
    """In a line: how many checks failed, and the first of them."""
    wrong = [one for one in certificate.checks if not one.passed]
    first = wrong[0]
    figure = f"{first.difference:.1e}, tolerance {first.tolerance:.1e}" if isfinite(first.difference) else first.detail
    head = f"{request.source} to {request.to}: {len(wrong)} of {len(certificate.checks)} checks failed"
    return f"{head}, the first {first.name}: {figure}."


class Work:
    """Two workers, or one, and a folder for what passes between them."""

    def __init__(self, request: Request, weights: Found | None, listen: Listener | None) -> None:
        self.request, self.weights, self.listen = request, weights, listen
        self.info: dict[str, Any] = {}
        self.floors: dict[str, float] = {}
        self.target_environment: dict[str, str] = {}
        self.temporary: Path | None = None
        self.custom: list[str] = []

    def __enter__(self) -> Self:
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="bakeoff-convert-")))
        self._start(self.stack)
        return self

    def __exit__(self, *error: Any) -> None:
        self.discard()
        self.stack.__exit__(*error)

    def _start(self, stack: ExitStack) -> None:
        request = self.request
        self.source = stack.enter_context(Worker(request.framework, precision="float64"))
        same = request.target == request.framework
        self.target = self.source if same else stack.enter_context(Worker(request.target, precision="float64"))

    @property
    def stock(self) -> bool:
        """Whether the output has Keras's own batch norm, whose running variance is declared to be another."""
        return self.request.to == "keras" and bool(self.info["batch_norm"]) and not self.request.own

    def _say(self, phase: str, step: int, steps: int = 5) -> None:
        if self.listen:
            message = {"phase": phase, "done": step, "total": steps, "unit": "steps", "note": "", "rate": 0.0}
            self.listen({"kind": "progress", **message})

    # checks

    def check(self) -> Certificate:
        """Open, ask both, judge."""
        request, full = self.request, self.request.check == "full"
        self._say("capture", 1)
        with ThreadPoolExecutor(1) as pool:  # the target's library is imported meanwhile
            if self.target is not self.source:
                pool.submit(self.target.call, WORK + "warm", framework=request.target)
            self._open()
        if full and not self.info["vector"]:
            raise UnsupportedError(
                f"{request.source}: it gives {show(self.graph().output_shape)}; training is checked with logits "
                "(N, classes).\nMake it give those, or check its predictions alone: --check quick, check='quick'."
            )
        if full and not self.graph().count(trainable=True):
            full = False
            note = "no parameter of the source is trainable, so that its training was not checked"
            self.info["notes"] = [*self.info["notes"], note]
        try:
            asked, answer = self._ask(full)
        except UnsupportedError as error:
            self._fix(error)
            asked, answer = self._ask(full)
        self.floors = asked["floors"]
        self.info["notes"] = [*self.info["notes"], *asked["notes"]]
        self.target_environment = answer["environment"]
        checks = self._judge(asked["counts"], answer["counts"], full, self.stock)
        environment = {**self.info["environment"], **self.target_environment}
        return Certificate(tuple(checks), environment)

    def _ask(self, full: bool) -> tuple[Any, Any]:
        """The same questions to both."""
        full = full and self.info["vector"]
        self.inputs(full)
        self._say("ask the source", 2)
        asked = self.source.call(WORK + "trace_source", folder=str(self.folder), full=full)
        self._say("ask the rebuilt net", 3)
        call = {"framework": self.request.target, "full": full, "stock": self.stock}
        return asked, self.target.call(WORK + "trace_target", folder=str(self.folder), **call)

    def _fix(self, error: UnsupportedError) -> None:
        """Where the target can't build the net for images of any size: for the size alone that it is made for."""
        if self.info["fixed"]:
            raise error
        held, (height, width) = read_bundle(self.folder / "captured"), self.info["size"]
        write_bundle(self.folder / "captured", replace(held, graph=of_size(held.graph, height, width)))
        note = f"for images of {height} x {width} alone: {str(error).splitlines()[0]}"
        self.info |= {"fixed": True, "notes": [*self.info["notes"], note]}

    def _open(self) -> None:
        request = self.request
        file = str(self.weights.path) if self.weights else None
        other = self._weights_of_another() if file and request.kind == "zoo" else None
        source = {
            "text": request.source,
            "kind": request.kind,
            "framework": request.framework,
            "weights": None if other else file,
            "seed": request.seed,
            "classes": request.classes,
            "input_size": list(request.input_size) if request.input_size else None,
        }
        folder = str(self.folder)
        self.info = self.source.call(WORK + "open_source", source=source, folder=folder)
        if other:
            with Worker(other) as worker:
                call = {"framework": other, "file": file, "output": "foreign.npz"}
                worker.call(WORK + "foreign_weights", folder=folder, **call)
            call = {"framework": request.framework, "arrays": "foreign.npz"}
            self.info = self.source.call(WORK + "adopt", folder=folder, **call)

    def _weights_of_another(self) -> str | None:
        """The framework whose weights the file holds, where it isn't the source's: a converted net that was trained."""
        assert self.weights is not None
        keras = checkpoints.kind(self.weights.path) in ("keras", "hdf5")
        if self.request.framework == "torch":
            return keras_backend() if keras else None
        return None if keras else "torch"

    def graph(self) -> Graph:
        """The captured graph."""
        return read_bundle(self.folder / "captured").graph

    def inputs(self, full: bool) -> None:
        """Images for every question, normalised, float64."""
        info, request = self.info, self.request
        signature, seed = Signature.from_json(info["signature"]), request.seed
        size, channels = tuple(info["size"]), info["channels"]
        main = _images(request.pictures, signature) if request.pictures else None
        heavy = info["work"] > HEAVY
        if main is None:
            main = tracing.images(FEW if heavy else MANY, size, channels, seed)
        elif len(main) == 1:  # a single image can't show whether the net looks at it
            main = np.concatenate([main, tracing.images(1, size, channels, seed)])
        made = {"main": main, "batch": main[:1]}
        if not info["fixed"]:
            other = size[0] + 32, max(size[1] - 32, 32)
            made["size"] = tracing.images(1, other, channels, seed + 1)
        count = FEW if heavy and info["fixed"] else MANY
        for step in range(tracing.STEPS if full and info["vector"] else 0):
            made[f"train{step}"] = tracing.images(count, self._training_size(size), channels, seed + 10 + step)
        arrays = {key: normalize(images, signature, "float64") for key, images in made.items()}
        for step in range(tracing.STEPS if full else 0):
            arrays[f"labels{step}"] = tracing.labels(count, info["classes"], seed + 20 + step)
        np.savez(self.folder / "inputs.npz", **arrays)  # type: ignore[arg-type]

    def _training_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Smaller images for heavy nets that take any size."""
        if self.info["fixed"] or self.info["work"] < HEAVY / 2:
            return size
        return max(size[0] * 4 // 7, 64), max(size[1] * 4 // 7, 64)

    def _judge(
        self, source_counts: Mapping[str, int], target_counts: Mapping[str, int], full: bool, stock: bool
    ) -> list[Check]:
        source, target = (_trace(self.folder / f"{side}.npz") for side in ("source", "target"))
        graph, info = self.graph(), self.info
        carried = {"parameters": info["unused"], "trainable": info["unused_trainable"]}
        counted = {name: number + carried[name] for name, number in target_counts.items()}
        checks = judging.forward(source, target, self.floors)
        checks += judging.counts(source_counts, counted, info["unused"])
        if full and "losses" in source:
            checks += self._training(source, target, graph)
            if stock:
                checks += self._stock(source, target, graph)
        return checks

    def _training(self, source: Mapping[str, Array], target: Mapping[str, Array], graph: Graph) -> list[Check]:
        """The noise of the steps is asked for only where a plain tolerance isn't enough: it is one more training."""
        checks = judging.training(source, target, graph)
        if all(one.passed for one in checks):
            return checks
        self.source.call(WORK + "trace_noise", folder=str(self.folder))
        return judging.training(source, target, graph, _trace(self.folder / "noise.npz"))

    def _stock(self, source: Mapping[str, Array], target: Mapping[str, Array], graph: Graph) -> list[Check]:
        state, images = _trace(self.folder / "state.npz"), _trace(self.folder / "inputs.npz")["train0"]
        where = dict(zip(("batch", "height", "width"), images.shape, strict=False))
        elements = {}
        for node in graph.nodes:
            if node.op == "batch_norm":
                shape = graph.shapes[node.inputs[0]]
                elements[str(node.parameters["variance"])] = int(np.prod([at(size, **where) for size in shape[:-1]]))
        stock = {f"first/{key.removeprefix('stock/')}": array for key, array in target.items() if key[:6] == "stock/"}
        return [judging.stock(source, stock, state, graph, elements)]

    # output

    def write(self) -> list[Check]:
        """Write beside the place of the output, and check what was written."""
        self._say("write", 4)
        request = self.request
        output = request.output
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            self.temporary = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
        except OSError as error:
            raise DataError(f"{output}: {error.strerror or error}. Choose another --output.") from None
        path = self.temporary / output.name
        if request.to == "bundle":
            self._write_bundle(path)
        else:
            try:
                self._writer.call(WORK + "write", **self._written(path))
            except UnsupportedError as error:
                self._fix(error)
                self._writer.call(WORK + "write", **self._written(path))
        return self.read_back(path)

    @property
    def _writer(self) -> Worker:
        return self.source if self.request.own else self.target

    def _written(self, path: Path) -> dict[str, Any]:
        return {"folder": str(self.folder), "to": self.request.to, "output": str(path), "own": self.request.own}

    def read_back(self, path: Path) -> list[Check]:
        """What the output gives, against the source."""
        request = self.request
        if request.to == "bundle":
            again, arrays = read_bundle(path).graph.arrays(), self.graph().arrays()
            different = sum(relative(again[name], array) > 0 for name, array in arrays.items())
            return [check("output.bits", float(different), 0.0, "arrays that differ")]
        back = self._writer.call(WORK + "read_back", **self._written(path))
        self.custom = back["custom"]
        if path.suffix in STATE_DICTS:
            detail = "arrays that differ" + ("; load_state_dict(strict=True) took the file" if request.own else "")
            return [check("output.bits", back["difference"], 0.0, detail)]
        tolerance = with_noise(judging.LOGITS32, self.floors.get("float32.logits", 0.0))
        detail = f"what {request.output.name} gives, read back, against the source; float32"
        return [check("output.logits", back["difference"], tolerance, detail)]

    def rewritten(self, path: Path) -> list[Check]:
        """The output against what this conversion writes here: layer by layer, weight by weight, word by word.

        Logits don't show a momentum, a rate of dropout, a frozen layer or the names of the classes.
        """
        again = self.folder / "again" / path.name
        again.parent.mkdir(exist_ok=True)
        if self.request.to == "bundle":
            self._write_bundle(again)
            different = contents.different(contents.of_bundle(path), contents.of_bundle(again))
        else:
            self._writer.call(WORK + "write", **self._written(again))
            different = self._writer.call(WORK + "compare_contents", one=str(path), other=str(again))
        detail = (
            f"layers, weights and texts that aren't what this conversion writes: {', '.join(different[:3]) or 'none'}"
        )
        return [check("output.contents", float(len(different)), 0.0, detail)]

    def _write_bundle(self, path: Path) -> None:
        licence = self.weights.weights.licence if self.weights and self.weights.weights else None
        write_bundle(path, rebundled(read_bundle(self.folder / "captured"), licence=licence))

    def discard(self) -> None:
        """Remove what was written beside the output's place."""
        if self.temporary is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary = None

    def finish(self, certificate: Certificate) -> Converted:
        """Put the files in their places, and the certificate beside them."""
        from bakeoff.conversion.certificate import place_of, written

        request = self.request
        assert self.temporary is not None
        for made in sorted(self.temporary.iterdir(), key=lambda made: made.name == request.output.name):
            _replace(made, request.output.with_name(made.name))
        value = written(request, self.info, certificate, self.weights, self.custom)
        path = place_of(request.output)
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        self._say("write", 5)
        result = {**value, "output": str(request.output), "certificate": str(path)}
        return Converted(request.output, certificate, path, result)

    # where they part

    def report(self, certificate: Certificate) -> Path:
        """The report of the first layer that differs, beside the place of the output."""
        path = self.request.output.with_name(f"{self.request.output.name}.report.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        value = {**to_json(certificate), "source": self.request.source, "to": self.request.to}
        try:
            value["first_layer_that_differs"] = self._first()
        except Exception as error:
            value["first_layer_that_differs"] = {"unknown": f"{type(error).__name__}: {error}"[:500]}
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return path

    def _first(self) -> Report | None:
        folder = str(self.folder)
        self.source.call(WORK + "activations", folder=folder, framework=None, output="source_layers.npz")
        call = {"folder": folder, "framework": self.request.target, "output": "target_layers.npz"}
        self.target.call(WORK + "activations", **call)
        expected, found = (_trace(self.folder / f"{side}_layers.npz") for side in ("source", "target"))
        for node in self.graph().nodes:
            if node.path in expected and node.path in found:
                difference = relative(found[node.path], expected[node.path])
                if difference > judging.MOST64:
                    return {"path": node.path, "operator": node.op, "difference": min(difference, 1e300)}
        return None


def _trace(path: Path) -> dict[str, Array]:
    with np.load(path) as file:
        return dict(file)


def _images(given: str, signature: Signature) -> Array:
    """The user's own, prepared: at most 16, one at least.

    Raises:
        DataError: none can be read.
    """
    from bakeoff.evaluation.predict import find_images

    paths = find_images([given])
    step = max(1, len(paths) // MOST_IMAGES)
    images = []
    for path in paths[::step][:MOST_IMAGES]:
        try:
            images.append(prepare(path, signature))
        except DataError as error:
            raise DataError(f"{path}: {error}. Give --pictures a folder of images that can be read.") from None
    return np.stack(images)


def _replace(made: Path, target: Path) -> None:
    if made.is_dir() and target.exists():
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        os.replace(target, old)
        os.replace(made, target)
        shutil.rmtree(old, ignore_errors=True)
        return
    os.replace(made, target)
