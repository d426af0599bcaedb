"""The form of GELU: with the error function, or with tanh (up to 4.7e-4 away)."""

from __future__ import annotations

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "net", ("net.gelu.form",)
SAYS = "GELU is {a} on one side and {b} on the other"
TORCH = 'nn.GELU(approximate="none")  # {value}: "none" is exact, "tanh" is tanh'
KERAS = "keras.ops.gelu(x, approximate=False)  # {value}: True, the default, is tanh; activations.gelu is exact"


def guesses(a: Account) -> Guesses:
    forms = a.settings.get("net.gelu.form", ())
    return [{"net.gelu.form": (form,) * len(forms)} for form in ("tanh", "exact") if forms]
