"""Training: the job, the worker that does it, the loop, the run folder. The package itself is `bakeoff.train(...)`."""

from bakeoff.registry import make_callable

make_callable(__name__, "bakeoff.train.api:train")
