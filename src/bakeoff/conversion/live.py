"""`bakeoff.convert`: a live model in, the other framework's own out, both in this process.

The one place where two frameworks share a process: `frameworks.enter` keeps the order in which they don't crash. The
rebuilt net's float64 and training checks run in a worker; the live model is asked here.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bakeoff import frameworks, registry
from bakeoff.bundle import read as read_bundle
from bakeoff.conversion.api import Work, message
from bakeoff.conversion.request import CHECKS, Request, keras_backend
from bakeoff.conversion.work import described
from bakeoff.errors import ParityError, UnsupportedError, UsageError
from bakeoff.parity import check as judged
from bakeoff.parity import relative
from bakeoff.parity.tolerance import with_noise
from bakeoff.schemas import Array, Certificate
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.zoo.opening import Opened, from_keras, from_torch

TARGETS = ("keras", "torch")


class Converted(NamedTuple):
    """What `bakeoff.convert` gives.

    Attributes:
        model: a keras.Model or an nn.Module of the framework's own layers; trainable, in prediction mode.
        certificate: `.passed`, `.checks`.
    """

    model: Any
    certificate: Certificate


def convert(
    model: Any,
    to: Literal["keras", "torch"],
    *,
    input_size: tuple[int, int] | None = None,
    check: Literal["full", "quick"] = "full",
    pictures: str | Path | None = None,
    listen: Listener | None = None,
) -> Converted:
    """A live classifier in another framework, and the certificate that it is the same.

    Args:
        model: an nn.Module that takes (N, C, H, W), or a functional or Sequential keras.Model that takes (N, H, W, C):
            timm's, torchvision's, Keras's or your own. It isn't changed.
        to: keras or torch.
        input_size: (height, width) for an nn.Module that doesn't say it of itself; else 224 x 224.
        check: full (training in float64, too) or quick (forward, counts).
        pictures: a folder of images to check on; noise otherwise.

    Returns:
        (model, certificate). BatchNorm keeps the running variance that the source keeps, on both sides. It gives
        logits: a last softmax of Keras is left off (`certificate.environment["head"]` says so). What else the model's
        author should know stands in `certificate.environment["notes"]`: a training pass that computes something else
        than the prediction, for one.

    Raises:
        UsageError: it is no model of either framework, or an argument can't be used.
        UnsupportedError: an operator or layer without an exact form, by name and path.
        ParityError: a check failed.
        BakeoffError: the two frameworks came into this process in the order that crashes it.
    """
    if to not in TARGETS:
        raise UsageError(f"to is {to!r}; expected 'keras' or 'torch'{registry.nearest(str(to), TARGETS)}.")
    if check not in CHECKS:
        raise UsageError(f"check is {check!r}; expected 'full' or 'quick'.")
    framework = _framework(model)
    target = keras_backend() if to == "keras" else "torch"
    enter(target)
    request = Request(
        type(model).__name__, to, Path("model"), check=check, pictures=str(pictures) if pictures else None,
        input_size=input_size, kind="live", framework=framework,
    )  # fmt: skip
    with _LiveWork(request, model, listen) as work:
        certificate = work.check()
        native, last = work.native(target)
        checks = (*certificate.checks, *last)
        environment = {**certificate.environment, "head": work.info["head"] or "none"}
        if work.info["notes"]:
            environment["notes"] = "; ".join(work.info["notes"])
        certificate = Certificate(checks, environment)
        if not certificate.passed:
            raise ParityError(f"{message(request, certificate)}\nThe first layer that differs: {work.first_layer()}")
    return Converted(native, certificate)


def enter(target: str) -> None:
    """Let a second framework into this process, in the order that doesn't crash.

    TensorFlow before torch's compiler would crash the process (both bring an LLVM, torch's with triton). Where it is
    too late for that order, torch is kept from triton, which on a CPU it doesn't need.

    Raises:
        BakeoffError: Keras runs on another backend here.
    """
    if target == "torch" and "tensorflow" in sys.modules and "triton" not in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]
    frameworks.require(target, "the converted model")
    frameworks.bring_in(target)


def _framework(model: Any) -> str:
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(model, torch.nn.Module) and not _is_keras(model):
        return "torch"
    if _is_keras(model):
        assert keras is not None
        backend = str(keras.backend.backend())
        if backend not in ("tensorflow", "jax"):
            raise UsageError(f"the model runs Keras on {backend}; expected TensorFlow or JAX.")
        return backend
    raise UsageError(
        f"a {type(model).__module__}.{type(model).__name__} came; expected an nn.Module or a keras.Model.\n"
        "Names and files go through the command line: bakeoff convert SOURCE --to keras"
    )


def _is_keras(model: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


class Here:
    """A worker's stand-in: its functions run in this process."""

    def __init__(self) -> None:
        self.session: dict[str, Any] = {}

    def call(self, entry: str, listen: Listener | None = None, /, **arguments: Any) -> Any:
        """Call `module:function`."""
        module, _, name = entry.partition(":")
        return getattr(importlib.import_module(module), name)(self.session, Reporter(), **arguments)


class _LiveWork(Work):
    """The source is here, the target in a worker and, in the end, here too."""

    def __init__(self, request: Request, model: Any, listen: Listener | None) -> None:
        super().__init__(request, None, listen)
        self.model = model

    def _start(self, stack: ExitStack) -> None:
        from bakeoff.workers.launch import Worker

        self.source = Here()  # type: ignore[assignment]
        self.target = stack.enter_context(Worker(self.request.target, precision="float64"))

    def _open(self) -> None:
        found: Opened
        if self.request.framework == "torch":
            found = from_torch(self.model, self.request.input_size)
        elif self.request.framework == "jax":
            raise UnsupportedError("a live Keras model on JAX: not yet. Save it (.keras), and use bakeoff convert.")
        else:
            found = from_keras(self.model)
        session = self.source.session  # type: ignore[attr-defined]
        self.info = described(session, found, self.request.framework, str(self.folder))
        self.found = found

    @property
    def stock(self) -> bool:
        """The native model keeps the source's own variance."""
        return False

    def native(self, target: str) -> tuple[Any, list[Any]]:
        """The model for the user, and a check of it in this process."""
        graph = read_bundle(self.folder / "captured").graph
        precision = graph.dtype
        net = frameworks.load(target).native(graph.astype(precision), precision=precision)
        images = _load(self.folder / "inputs.npz", "main").astype(precision)
        expected = self.found.live(precision).logits(images)
        tolerance = with_noise(1e-4, self.floors.get("float32.logits", 0.0))
        difference = relative(net.logits(images), expected)
        return net.native, [judged("native.logits", difference, tolerance, f"in this process, {precision}")]

    def first_layer(self) -> str:
        """Where the two part, in words."""
        found = self._first()
        return f"{found['path']} ({found['operator']}): {found['difference']:.1e}" if found else "none was found"


def _load(path: Path, key: str) -> Array:
    import numpy as np

    with np.load(path) as file:
        array: Array = file[key]
    return array
