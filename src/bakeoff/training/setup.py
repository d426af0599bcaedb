"""From a recipe and images to what a training starts from: signature, graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bakeoff import registry, zoo
from bakeoff.data import Data
from bakeoff.errors import UnsupportedError, UsageError
from bakeoff.evaluation.kinds import BINARY, MULTILABEL, SINGLE, of_loss
from bakeoff.graph import Graph, passes
from bakeoff.graph.together import Member, together
from bakeoff.preprocessing.signature import Signature
from bakeoff.recipe.schema import Recipe

HEAD = "head"
ENOUGH = 32  # pixels a side, for each net of the library
SCALED = True  # large JPEGs decoded small, unless the recipe says otherwise: measured in bench/scaled_decode.py


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        graph: images to logits, with start weights.
        signature: how an image becomes an input.
        features: for a backbone: the last node before the head; its graph cut there is the probe's.
        licence: of the weights it starts from.
        loss: the page by which labels judge logits.
        declared: what of the backbone's own training isn't kept.
    """

    graph: Graph
    signature: Signature
    features: Graph | None = None
    licence: str | None = None
    loss: str = "softmax_cross_entropy"
    declared: tuple[str, ...] = ()


def start(recipe: Recipe, data: Data, seed: int) -> Start:
    """Signature and graph for these images.

    Raises:
        UsageError: the recipe doesn't fit the data, as images of many sizes for a net that wants one.
    """
    outputs, loss = outputs_of(recipe, data), loss_of(recipe, data)
    begun = _backbone(recipe, outputs, seed) if recipe.model.backbone else _native(recipe, data, outputs, seed)
    return replace(begun, loss=loss)


def signature_of(recipe: Recipe) -> Signature | None:
    """How images become inputs, where that is known before they are: under backbones of our own."""
    names, known = (recipe.model.backbone or "").split("+"), registry.names("bakeoff.models")
    models = [registry.load("bakeoff.models", name) for name in names if name in known]
    found = [_overridden(model.SIGNATURE, recipe) for model in models if hasattr(model, "SIGNATURE")]
    return max(found, key=lambda one: one.size[0] * one.size[1]) if len(found) == len(names) else None


def loss_of(recipe: Recipe, data: Data) -> str:
    """The recipe's loss, or the one that suits the labels.

    Raises:
        UsageError: the recipe asks for one that doesn't.
    """
    wanted, suits = recipe.model.loss, (MULTILABEL if data.multilabel else SINGLE).loss
    if wanted is not None and of_loss(wanted).multilabel != data.multilabel:
        has = "have several labels" if data.multilabel else "have one label each"
        raise UsageError(
            f"loss {wanted}: {data.path}: its images {has}.\nUse --set model.loss={suits} (or leave it out)."
        )
    return wanted or suits


def outputs_of(recipe: Recipe, data: Data) -> int:
    """How many logits: one for a binary loss, else one a class."""
    kind = of_loss(loss_of(recipe, data))
    if kind is BINARY and len(data.classes) != 2:
        raise UsageError(
            f"loss binary_cross_entropy has one logit for two classes; {data.path} has {len(data.classes)}.\n"
            "Use --set model.loss=softmax_cross_entropy."
        )
    return kind.outputs(len(data.classes))


def _native(recipe: Recipe, data: Data, outputs: int, seed: int) -> Start:
    given = recipe.input
    size = given.size or data.size
    if size is None:
        raise UsageError(
            f"{data.path}: the images have different sizes; the recipe {recipe.title!r} doesn't say which to use.\n"
            "Set one: --set input.size=[32,32] (or use --recipe photos)."
        )
    signature = Signature(
        size=size,
        channels=given.channels or max(data.channels, len(given.mean or ())),
        fit=given.fit or "stretch",
        resize=given.resize or "bilinear",
        resize_to=given.resize_to,
        mean=given.mean or (0.0,),
        std=given.std or (1.0,),
        scaled_decode=SCALED if given.scaled_decode is None else given.scaled_decode,
    )
    model = registry.load("bakeoff.models", recipe.model.name or "", what="model")
    arguments = dict(recipe.model.arguments)
    try:
        graph = model.build(input_size=size, channels=signature.channels, classes=outputs, seed=seed, **arguments)
    except UnsupportedError as error:
        if max(size) >= ENOUGH:
            raise
        hint = f"The images have {size[0]} x {size[1]} pixels; enlarge them: --set input.size=[{ENOUGH},{ENOUGH}]"
        raise UnsupportedError(f"{error}\n{hint}") from None
    return Start(graph, signature)


def _backbone(recipe: Recipe, outputs: int, seed: int) -> Start:
    names = (recipe.model.backbone or "").split("+")
    members, licences, declared = [], [], []
    for name in names:
        member, licence, lost = _member(name, recipe, seed)
        members.append(member)
        licences += [licence] if licence else []
        declared += [f"{name}: {one}" for one in lost]
    features, signature = (members[0].graph, members[0].signature) if len(members) == 1 else together(members)
    graph = features
    for number, width in enumerate(recipe.model.hidden, 1):
        graph = passes.with_hidden(graph, width, seed=seed, name=f"{HEAD}_{number}")
    graph = passes.with_head(graph, outputs, seed=seed, dropout=recipe.model.dropout, name=HEAD)
    licence = "; ".join(dict.fromkeys(licences)) or None
    return Start(graph, signature, features, licence, declared=tuple(declared))


def backbones() -> tuple[str, ...]:
    """Our own nets with pretrained weights."""
    names = registry.names("bakeoff.models")
    return tuple(name for name in names if hasattr(registry.load("bakeoff.models", name), "SIGNATURE"))


def check_backbone(name: str) -> None:
    """UsageError where it is no backbone of our own and isn't written as one of another library."""
    for one in name.split("+"):
        if not zoo.is_name(one):
            _own(one)


def _own(name: str) -> Any:
    pretrained = backbones()
    if name not in registry.names("bakeoff.models"):
        raise UsageError(
            f"unknown backbone {name!r}{registry.nearest(name, pretrained)}\nKnown: {', '.join(pretrained)}; "
            f"and {', '.join(f'{one}/NAME' for one in zoo.libraries())} (bakeoff models WORDS searches them)"
        )
    model = registry.load("bakeoff.models", name, what="backbone")
    if not hasattr(model, "SIGNATURE"):
        raise UsageError(
            f"{name} is not a backbone: it has no pretrained weights. Use it as a model: --set model.name={name}"
        )
    return model


def _member(name: str, recipe: Recipe, seed: int) -> tuple[Member, str | None, tuple[str, ...]]:
    """A backbone's features, how it wants its images, the licence of its weights, and what isn't kept."""
    if zoo.is_name(name):
        from bakeoff.training.backbone import features as of_another_library

        size = recipe.input.size
        graph, wanted, licence, lost = of_another_library(name, seed, input_size=size, until=recipe.model.until)
        return Member(name, graph, _overridden(wanted, recipe)), licence, lost
    model = _own(name)
    signature = _overridden(model.SIGNATURE, recipe)
    features = model.build(input_size=signature.size, channels=signature.channels, classes=None, seed=seed)
    if recipe.model.until:
        stages = model.STAGES
        if recipe.model.until not in stages:
            known = ", ".join(stages)
            raise UsageError(f"--until {recipe.model.until}: {name} has no such stage. Stages: {known}")
        features = passes.cut(features, stages[recipe.model.until])
    return Member(name, features, signature), getattr(getattr(model, "WEIGHTS", None), "licence", None), ()


def _overridden(signature: Signature, recipe: Recipe) -> Signature:
    given = recipe.input
    chosen: dict[str, Any] = {
        key: getattr(given, key)
        for key in ("size", "channels", "fit", "resize", "resize_to", "mean", "std")
        if getattr(given, key) is not None
    }
    if chosen.get("fit") == "stretch" or ("size" in chosen and "resize_to" not in chosen):
        chosen["resize_to"] = None
    chosen["scaled_decode"] = SCALED if given.scaled_decode is None else given.scaled_decode
    return replace(signature, **chosen)
