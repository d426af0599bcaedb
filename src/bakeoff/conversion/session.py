"""A conversion under way: where the source and the target live, what they are asked, what the judge says."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import Any, Protocol, Self

import msgspec
import numpy as np

from bakeoff import checkpoints
from bakeoff.bundle import Bundle
from bakeoff.bundle import read as read_bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.conversion import stock
from bakeoff.conversion.accepting import check_accepted, not_kept
from bakeoff.conversion.questions import Described, trial_of
from bakeoff.conversion.request import Request, keras_backend
from bakeoff.errors import UnsupportedError
from bakeoff.files import workspace
from bakeoff.graph.graph import Graph
from bakeoff.graph.layout import said
from bakeoff.graph.passes import of_size
from bakeoff.parity import Trace, judge
from bakeoff.parity.noise import Spread
from bakeoff.parity.tolerance import NOISE
from bakeoff.parity.trial import Trial
from bakeoff.schemas import Array, Certificate, Check, Declared
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.launch import Worker
from bakeoff.zoo.opening import Opened, Source
from bakeoff.zoo.resolve import Found

WORK = "bakeoff.conversion.work:"
STAGES = 4  # capture, ask the source, ask the rebuilt net, write
DRAWS, MOST_DRAWS, NEAR = 2, 6, 10  # of noise: more while what fails is within ten times a limit that two draws gave


class Caller(Protocol):
    """Where the functions of `work` run: a worker, or this process."""

    def call(self, entry: str, listen: Listener | None = None, /, **arguments: Any) -> Any:
        """Call `module:function` there and wait for its result."""


class Here:
    """A Caller whose functions run in this process."""

    def __init__(self) -> None:
        self.session: dict[str, Any] = {}

    def call(self, entry: str, listen: Listener | None = None, /, **arguments: Any) -> Any:
        """Call `module:function`."""
        module, _, name = entry.partition(":")
        return getattr(importlib.import_module(module), name)(self.session, Reporter(), **arguments)


class Session:
    """Both sides, and a folder for what passes between them. Use it as a context manager.

    Args:
        request: what to convert, and to what.
        weights: the file with the weights; None: drawn, or in the source.
        listen: gets progress.
        live: an opened source that lives in this process; None: opened in a worker.
        target: where the target of a live source lives; None: in a worker.

    Attributes:
        source, target: the two sides; one worker where both are of one framework.
        described: what the source is, once it is open.
        declared: what of its training the output doesn't keep.
        spread: the source's own error in float32.
    """

    source: Caller
    target: Caller
    described: Described
    declared: tuple[Declared, ...]

    def __init__(
        self,
        request: Request,
        weights: Found | None,
        listen: Listener | None,
        live: Opened | None = None,
        target: Caller | None = None,
    ) -> None:
        self.request, self.weights, self.listen, self.live, self.given_target = request, weights, listen, live, target
        self.graph_and_more: Bundle | None = None
        self.is_open = False

    def __enter__(self) -> Self:
        self.stack = ExitStack()
        self.folder = self.stack.enter_context(workspace("convert"))
        request = self.request
        if self.live is not None:
            self.source = Here()
            self.target = self.given_target or self._worker(request.target)
        else:
            self.source = self._worker(request.framework)
            same = request.target == request.framework
            self.target = self.source if same else self._worker(request.target)
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.__exit__(*error)

    def _worker(self, framework: str) -> Worker:
        return self.stack.enter_context(Worker(framework, precision="float64"))

    def say(self, stage: str, number: int) -> None:
        """A stage begins, for whoever listens."""
        Reporter(self.listen).stage(number, STAGES, stage)

    # opening

    @property
    def bundle(self) -> Bundle:
        """The captured graph with its signature and class names, read once."""
        if self.graph_and_more is None:
            self.graph_and_more = read_bundle(self.folder / "captured")
        return self.graph_and_more

    @property
    def graph(self) -> Graph:
        """The captured graph."""
        return self.bundle.graph

    @property
    def stock(self) -> bool:
        """Whether the output has Keras's own batch norm, whose running variance is another."""
        request = self.request
        moves = self.described.keeps_state
        return request.to == "keras" and moves and not request.own and request.batch_norm == "stock"

    def note(self, *notes: str, **changes: Any) -> None:
        """Add to what the reader should know."""
        self.described = msgspec.structs.replace(self.described, notes=(*self.described.notes, *notes), **changes)

    def open(self) -> None:
        """Capture the source, once."""
        if self.is_open:
            return
        self.say("capture", 1)
        with ThreadPoolExecutor(1) as pool:  # the target's library is imported meanwhile
            if self.target is not self.source:
                pool.submit(self.target.call, WORK + "warm", framework=self.request.target)
            self._open()
        self.is_open = True

    def _open(self) -> None:
        request = self.request
        if self.live is not None:
            assert isinstance(self.source, Here)
            from bakeoff.conversion.work import described

            answer = described(self.source.session, self.live, request.framework, str(self.folder))
        else:
            answer = self._opened()
        self.described = msgspec.convert(answer, Described)
        self.declared = not_kept(request, self.described.declared)
        check_accepted(request, self.declared)

    def _opened(self) -> Any:
        request, folder = self.request, str(self.folder)
        file = str(self.weights.path) if self.weights else None
        other = self._weights_of_another() if file and request.kind in ("zoo", "folder") else None
        source = Source(
            request.source,
            request.kind,
            request.framework,
            None if other else file,
            request.seed,
            request.classes,
            request.input_size,
            mirror=request.mirror,
            offline=request.offline,
        )
        answer = self.source.call(WORK + "open_source", source=asdict(source), folder=folder)
        if not other:
            return answer
        with Worker(other) as worker:
            call = {"framework": other, "file": file, "output": "foreign.npz"}
            worker.call(WORK + "foreign_weights", folder=folder, **call)
        call = {"framework": request.framework, "arrays": "foreign.npz"}
        return self.source.call(WORK + "adopt", folder=folder, **call)

    def _weights_of_another(self) -> str | None:
        """The framework whose weights the file holds, where it isn't the source's: a converted net that was trained."""
        assert self.weights is not None
        keras = checkpoints.kind(self.weights.path) in ("keras", "hdf5")
        if self.request.framework == "torch":
            return keras_backend() if keras else None
        return None if keras else "torch"

    def fix(self, error: UnsupportedError) -> None:
        """Where the target can't build the net for images of any size: for the size alone that it is made for."""
        if self.described.fixed:
            raise error
        height, width = self.described.size
        fixed = replace(self.bundle, graph=of_size(self.graph, height, width))
        write_bundle(self.folder / "captured", fixed)
        self.graph_and_more = None
        for side in (self.source, self.target):
            side.call(WORK + "forget")
        self.note(f"for images of {height} x {width} alone: {str(error).splitlines()[0]}", fixed=True)

    # checks

    def check(self) -> Certificate:
        """Open, ask both, judge."""
        self.open()
        full = self._full()
        try:
            asked, answer = self._ask(full)
        except UnsupportedError as error:
            self.fix(error)
            asked, answer = self._ask(full)
        self.note(*asked["notes"])
        checks = self._judge()
        carried = {"parameters": self.described.unused, "trainable": self.described.unused_trainable}
        counted = {name: number + carried[name] for name, number in answer["counts"].items()}
        checks += judge.counts(asked["counts"], counted, self.described.unused)
        environment = {**self.described.environment, **answer["environment"]}
        return Certificate(tuple(checks), environment, declared=self.declared)

    def _full(self) -> bool:
        """Whether training is checked.

        Raises:
            UnsupportedError: it was asked for, and there are no logits to train with.
        """
        if self.request.check != "full":
            if not self.described.vector:
                self.note(f"it gives {said(self.graph.output_shape)}: no logits (N, classes)")
            return False
        if not self.described.vector:
            raise UnsupportedError(
                f"{self.request.source}: it gives {said(self.graph.output_shape)}; training is checked with logits "
                "(N, classes).\nGive the net with its head, or check predictions alone: --check quick, check='quick'."
            )
        if not self.graph.count(trainable=True):
            self.note("no parameter of the source is trainable, so that its training was not checked")
            return False
        return True

    def _ask(self, full: bool) -> tuple[Any, Any]:
        """The same questions to both."""
        trial_of(self.described, self.graph, self.request, full).save(self.folder / "trial.npz")
        folder = str(self.folder)
        self.say("ask the source", 2)
        asked = self.source.call(WORK + "ask_source", folder=folder)
        self.say("ask the rebuilt net", 3)
        call = {"framework": self.request.target, "stock": self.stock}
        return asked, self.target.call(WORK + "ask_target", folder=folder, **call)

    def trace(self, name: str) -> Trace:
        """What was answered: "source", "target32" and so on."""
        return Trace.load(self.folder / f"{name}.npz")

    def given(self) -> Array:
        """The images of the first question, float32."""
        found: Array = Trial.load(self.folder / "trial.npz").predictions["given"].astype("float32")
        return found

    def expected(self) -> Array:
        """What the source gives of them in float32."""
        return self.trace("source32").logits["given"]

    def _judge(self) -> list[Check]:
        source, target = self.trace("source"), self.trace("target")
        checks = self.judged(target, source)
        self.spread = Spread([self.trace("source32")], [], source)
        single = judge.logits(self.trace("target32"), self.spread)
        checks += [replace(one, name=f"float32.{one.name}") for one in single]
        if source.losses:
            checks.append(judge.sensitivity(source))
            if self.stock:
                trial = Trial.load(self.folder / "trial.npz")
                checks.append(stock.check(source, self._arrays("stock"), self._arrays("state"), self.graph, trial))
        return checks

    def judged(self, target: Trace, source: Trace) -> list[Check]:
        """float64: the noise is asked for only where the plain limits aren't enough, since it is more trainings."""
        checks = judge.double(target, source)
        if all(one.passed for one in checks):
            return checks
        noise: list[Trace] = []
        unsettled = [one.name for one in checks if not one.passed]
        while len(noise) < MOST_DRAWS:
            draw = len(noise)
            self.source.call(WORK + "ask_noise", folder=str(self.folder), draw=draw, checks=unsettled)
            noise.append(self.trace(f"noise{draw}"))
            checks = judge.double(target, source, noise)
            failed = [one for one in checks if not one.passed]
            near = failed and all(one.difference <= NEAR * one.tolerance for one in failed)
            if len(noise) >= DRAWS and not near:
                break
        return self._but_for_ties(checks, target)

    def _but_for_ties(self, checks: list[Check], target: Trace) -> list[Check]:
        """What failed on flat images is not decided where the rebuilt net, too, makes as much of a rounding.

        All places of such an image are one number but for how a kernel adds them up: which of them a maximum takes is
        then no rule that could be wrong. A wrong rule stays where it is.
        """
        failed = [one.name for one in checks if not one.passed and one.name in ("losses.flat", "gradients.flat")]
        if not failed:
            return checks
        call = {"folder": str(self.folder), "checks": failed, "framework": self.request.target}
        self.target.call(WORK + "ask_noise", draw=0, **call)
        own = {one.name: one.difference for one in judge.double(self.trace("rebuilt_noise0"), target)}
        says = "not decided: the rebuilt net makes as much of a rounding, which breaks its ties; "
        return [
            replace(one, decided=False, detail=says + one.detail)
            if one.name in failed and NOISE * own[one.name] >= one.difference
            else one
            for one in checks
        ]

    def _arrays(self, name: str) -> dict[str, Array]:
        with np.load(self.folder / f"{name}.npz") as file:
            return dict(file)

    # where they part

    def first_apart(self) -> dict[str, Any] | None:
        """The first layer that differs, by path, operator and difference."""
        folder = str(self.folder)
        self.source.call(WORK + "activations", folder=folder, framework=None, output="source_layers.npz")
        call = {"folder": folder, "framework": self.request.target, "output": "target_layers.npz"}
        self.target.call(WORK + "activations", **call)
        layers: Sequence[Any] = self.graph.nodes
        found = judge.first_apart(layers, self._arrays("target_layers"), self._arrays("source_layers"))
        if found is None:
            return None
        node, difference = found
        return {"path": node.path, "operator": node.op, "difference": min(difference, 1e300)}
