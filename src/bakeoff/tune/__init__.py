"""Search over a recipe's ranges. The package itself is `bakeoff.tune(...)`."""

from bakeoff.registry import make_callable

make_callable(__name__, "bakeoff.tune.api:tune")
