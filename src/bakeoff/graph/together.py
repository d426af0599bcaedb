"""Several backbones under one head: their graphs side by side on one input, their features in one row."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.graph.graph import Graph, Node, Parameter, Penalty, Ref
from bakeoff.ops import page
from bakeoff.ops._dimension import Dim, fixed
from bakeoff.preprocessing.signature import Signature


@dataclass(frozen=True)
class Member:
    """A backbone that gives features (batch, n), and how it wants its images."""

    name: str
    graph: Graph
    signature: Signature

    @property
    def prefix(self) -> str:
        """What its nodes and parameters are named after: timm/resnet18 gives timm_resnet18."""
        return re.sub(r"\W", "_", self.name)


def together(members: list[Member]) -> tuple[Graph, Signature]:
    """One graph that gives all members' features, one after the other, and the signature of its input.

    Images are prepared once, as the member with the largest input wants them; for the others the net itself resizes
    them (bilinear, antialiased) and changes the normalisation. Nodes and parameters are named after their member.

    Raises:
        UsageError: two members have one name, or differ in their channels.
    """
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise UsageError(f"the backbone {'+'.join(names)} has the same net twice. Name each once.")
    largest = max(members, key=lambda member: member.signature.size[0] * member.signature.size[1])
    common = largest.signature
    if len({member.signature.channels for member in members}) > 1:
        raise UsageError(f"the backbones {', '.join(names)} differ in their channels: they can't share one input.")
    nodes: list[Node] = []
    parameters: dict[str, Parameter] = {}
    penalties: list[Penalty] = []
    for member in members:
        before, known = _adapter(member, common)
        start = Ref(before[-1].id) if before else Ref("input")
        own, theirs = _prefixed(member, start)
        nodes += [*before, *own]
        parameters |= known | theirs
        for penalty in member.graph.penalties:
            on = penalty.on
            moved = member.prefix + "." + on if isinstance(on, str) else _moved(member, start, on)
            penalties.append(replace(penalty, on=moved))
    outputs = tuple(Ref(f"{member.prefix}.{member.graph.output.node}", member.graph.output.index) for member in members)
    joined = Node("joined", "concat", page("concat").Attributes(axis=-1), outputs, path="joined")
    shape = (Dim("batch"), *common.size, common.channels)
    graph = Graph({"input": shape}, (*nodes, joined), {"features": Ref("joined")}, parameters, tuple(penalties))
    return graph, common


def _moved(member: Member, start: Ref, old: Ref) -> Ref:
    """A value of the member in the joined graph, where `start` is its input."""
    return start if old.node in member.graph.inputs else Ref(f"{member.prefix}.{old.node}", old.index)


def _prefixed(member: Member, start: Ref) -> tuple[list[Node], dict[str, Parameter]]:
    """The member's nodes and parameters under its own name, reading `start` for its input."""
    graph, before = member.graph, f"{member.prefix}."
    ref = partial(_moved, member, start)
    nodes = [
        replace(
            node,
            id=before + node.id,
            path=before + node.path if node.path else "",
            inputs=tuple(ref(old) for old in node.inputs),
            parameters={s: ref(to) if isinstance(to, Ref) else before + to for s, to in node.parameters.items()},
        )
        for node in graph.nodes
    ]
    return nodes, {before + path: replace(p, path=before + path) for path, p in graph.parameters.items()}


def _adapter(member: Member, common: Signature) -> tuple[list[Node], dict[str, Parameter]]:
    """From the common input to the member's own: its size, then its normalisation."""
    own, nodes, last = member.signature, [], Ref("input")
    parameters: dict[str, Parameter] = {}
    if own.size != common.size:
        size = (fixed(own.size[0], "a backbone's input"), fixed(own.size[1], "a backbone's input"))
        attributes = page("resize").Attributes(size=size, mode="bilinear", antialias=True)
        nodes.append(Node(f"{member.prefix}.resize", "resize", attributes, (last,), path=f"{member.prefix}.resize"))
        last = Ref(nodes[-1].id)
    if (own.mean, own.std) != (common.mean, common.std):
        name = f"{member.prefix}.normalize"
        scale = np.asarray(common.std, "float64") / np.asarray(own.std, "float64")
        offset = (np.asarray(common.mean, "float64") - np.asarray(own.mean, "float64")) / np.asarray(own.std, "float64")
        for slot, array in (("scale", scale), ("offset", offset)):
            full = np.broadcast_to(array, (own.channels,)).astype("float32")
            parameters[f"{name}.{slot}"] = Parameter(f"{name}.{slot}", full, "constant", trainable=False)
        slots = {slot: f"{name}.{slot}" for slot in ("scale", "offset")}
        nodes.append(Node(name, "affine_channel", page("affine_channel").Attributes(), (last,), slots, path=name))
    return nodes, parameters
