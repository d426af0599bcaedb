"""`bakeoff.convert`: a live model in, the other framework's own out, both in this process.

The one place where two frameworks share a process: `frameworks.enter` keeps the order in which they don't crash. The
rebuilt net's float64 and training checks run in a worker; the live model is asked here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bakeoff import frameworks, registry
from bakeoff.conversion.api import message
from bakeoff.conversion.request import CHECKS, Request, keras_backend, names_in
from bakeoff.conversion.session import Session
from bakeoff.drawing.card import Card, names
from bakeoff.errors import ParityError, UnsupportedError, UsageError
from bakeoff.given import held
from bakeoff.parity import check as checked
from bakeoff.parity import relative
from bakeoff.parity.tolerance import LOGITS, with_noise
from bakeoff.schemas import Certificate, Check
from bakeoff.workers.channel import Listener
from bakeoff.workers.progress import live
from bakeoff.zoo import foreign
from bakeoff.zoo.opening import Opened, from_keras, from_torch

TARGETS = ("keras", "torch")


class Converted(NamedTuple):
    """What `bakeoff.convert` gives.

    Attributes:
        model: a keras.Model or an nn.Module of the framework's own layers; trainable, in prediction mode.
        certificate: `.passed`, `.checks`, `.declared`.
    """

    model: Any
    certificate: Certificate

    def _card(self) -> Card:
        found = self.certificate
        apart = max(found.checks, key=lambda one: one.difference / one.tolerance if one.tolerance else one.difference)
        figures = {
            "certificate": f"{found.verdict}, {len(found.checks)} checks",
            "nearest to its tolerance": f"{apart.name}: {apart.difference:.1e} of {apart.tolerance:.1e}",
            **({"declared": names(one.name for one in found.declared)} if found.declared else {}),
        }
        return Card(f"{type(self.model).__module__}.{type(self.model).__name__}", figures)

    def __repr__(self) -> str:
        return self._card().line("Converted")

    def _repr_html_(self) -> str:
        return self._card().html()


@held
@live()
@frameworks.undisturbed()
def convert(
    model: Any,
    to: Literal["keras", "torch"],
    *,
    input_size: tuple[int, int] | None = None,
    check: Literal["full", "quick"] = "full",
    pictures: str | Path | None = None,
    batch_norm: Literal["stock", "exact"] = "stock",
    accept: str | Iterable[str] = (),
    listen: Listener | None = None,
    quiet: bool = False,
) -> Converted:
    """A live classifier in another framework, and the certificate that it is the same.

    Args:
        model: an nn.Module that takes (N, C, H, W), or a functional or Sequential keras.Model that takes (N, H, W, C):
            timm's, torchvision's, Keras's or your own. It isn't changed.
        to: keras or torch.
        input_size: (height, width) for an nn.Module that doesn't say it of itself; else 224 x 224.
        check: full (training in float64, too) or quick (forward, counts).
        pictures: a folder of images to check on; noise otherwise.
        batch_norm: to keras: "stock" gives Keras's own layers alone, which plain Keras saves and loads; its batch norm
            keeps the biased running variance, and the certificate says by how much that is another. "exact" keeps the
            source's, by a layer that a process needs Bakeoff to load.
        accept: names of what of its training may be lost, as ("augmentation",); the error that asks for it says which.
        listen, quiet: gets progress and log messages, as dicts; no bar.

    Returns:
        (model, certificate). It gives logits: a last softmax of Keras is left off (`certificate.environment["head"]`
        says so). What else the model's author should know stands in `certificate.environment["notes"]`.

    Raises:
        UsageError: it is no model of either framework, or an argument can't be used.
        UnsupportedError: an operator or layer without an exact form, by name and path.
        DeclaredError: something of its training has no place in the other framework, and isn't accepted: named with
            its module and its effect.
        ParityError: a check failed, or could not be decided.
        BakeoffError: the two frameworks came into this process in the order that crashes it.
    """
    if to not in TARGETS:
        raise UsageError(f"to is {to!r}; expected 'keras' or 'torch'{registry.nearest(str(to), TARGETS)}.")
    if check not in CHECKS:
        raise UsageError(f"check is {check!r}; expected 'full' or 'quick'.")
    if batch_norm not in ("stock", "exact"):
        raise UsageError(f"batch_norm is {batch_norm!r}; expected 'stock' or 'exact'.")
    framework = _framework(model)
    target = keras_backend() if to == "keras" else "torch"
    enter(target)
    request = Request(
        type(model).__name__, to, Path("model"), check=check, pictures=str(pictures) if pictures else None,
        input_size=input_size, kind="live", framework=framework, batch_norm=batch_norm,
        accept=names_in(accept),
    )  # fmt: skip
    with Session(request, None, listen, live=_opened(model, request)) as session:
        certificate = session.check()
        native, last = _native(session, target)
        return Converted(native, _certified(session, replace(certificate, checks=(*certificate.checks, last))))


def _certified(session: Session, certificate: Certificate) -> Certificate:
    """The certificate, with what the model's author should know.

    Raises:
        ParityError: a check failed; the first layer that differs is named.
    """
    described = session.described
    environment = {**certificate.environment, "head": described.head or "none"}
    if described.notes:
        environment["notes"] = "; ".join(described.notes)
    certificate = replace(certificate, environment=environment)
    if not certificate.passed:
        found = session.first_apart()
        where = f"{found['path']} ({found['operator']}): {found['difference']:.1e}" if found else "none was found"
        raise ParityError(f"{message(session.request, certificate)}\nThe first layer that differs: {where}")
    return certificate


def _opened(model: Any, request: Request) -> Opened:
    if request.framework == "torch":
        return from_torch(model, request.input_size)
    if request.framework == "jax":
        raise UnsupportedError("a live Keras model on JAX: not yet. Save it (.keras), and use bakeoff convert.")
    return from_keras(model)


def _native(session: Session, target: str) -> tuple[Any, Check]:
    """The model for the user, and a check of it in this process."""
    graph, request = session.graph, session.request
    net = frameworks.load(target).native(graph, precision=graph.dtype, batch_norm=request.batch_norm)
    assert session.live is not None
    images = session.given().astype(graph.dtype)
    expected = session.live.live(graph.dtype).logits(images)
    tolerance = with_noise(LOGITS, session.spread.of_logits("given"))
    difference = relative(net.logits(images), expected)
    return net.native, checked("native.logits", difference, tolerance, f"in this process, {graph.dtype}")


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
    raise UsageError(foreign.thing(model))


def _is_keras(model: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)
