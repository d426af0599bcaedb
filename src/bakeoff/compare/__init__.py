"""Comparing frameworks: parity first, then speed and accuracy. The package itself is `bakeoff.compare(...)`."""

from bakeoff.registry import make_callable

make_callable(__name__, "bakeoff.compare.api:compare")
