"""A softmax on what a softmax gave: the net has one, and whoever asks it applies another."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "output", ("output.softmax",)
SAYS = "answers go through {a} softmax before the last on one side and {b} on the other"
TORCH = "logits = model(x)  # no nn.Softmax in the net, one softmax(dim=1) on its logits"
KERAS = "layers.Dense(classes)  # without activation='softmax' where a softmax follows"


def guesses(a: Account) -> Guesses:
    return [{"output.softmax": a.settings.get("output.softmax", 0) + 1}]
