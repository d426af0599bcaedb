"""Fewer bits: a runtime that computes in bfloat16, float16, TF32 or int8."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.causes import Account, Guesses
from bakeoff.difference.precision import KINDS

STAGE, KEYS = "net", ("net.precision", "net.scales")
ALONE = True
SAYS = "the net computes in {a} on one side and {b} on the other"
TORCH = 'model.float(); torch.set_float32_matmul_precision("highest")  # {value}; OpenVINO: a hint of f32'
KERAS = 'keras.mixed_precision.set_global_policy("float32")  # {value}; quantize with the images that are served'


def guesses(a: Account) -> Guesses:
    small = a.graph is not None and a.graph.count() <= MOST
    return [{"net.precision": kind} for kind in KINDS] if small else []


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return tuple(x.settings.get("net.precision", "float32") for x in (a, a.switched(changes)))  # type: ignore[return-value]


MOST = 2_000_000  # parameters that NumPy runs in seconds
