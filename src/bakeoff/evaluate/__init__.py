"""Predictions and scores. The package itself is `bakeoff.evaluate(...)`."""

from bakeoff.registry import make_callable

make_callable(__name__, "bakeoff.model:evaluate")
