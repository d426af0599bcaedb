"""What a training may be told besides what is usual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from bakeoff.errors import UsageError
from bakeoff.training.loop.cadence import DEFAULT
from bakeoff.workers.channel import Listener
from bakeoff.workers.cluster import check as check_cluster

P = ParamSpec("P")
R = TypeVar("R")
KINDS: dict[str, tuple[Any, str]] = {
    "threads": (int | None, "a whole number from 1, or None"),
    "start": (str | Path | None, "the path of a run or bundle, or None"),
    "checkpoint_every": (str | None, "as '30s', '5m' or '100 steps', or None"),
    "loggers": (list | tuple, "a list of names"),
    "workers": (int | str | None, "a whole number from 1, 'env', or None"),
    "reduce": (str, "'exact' or 'native'"),
    "worker_timeout": (str, "as '90s' or '10m'"),
    "cluster": (str | None, "'local', 'auto', 'ray://HOST:PORT', or None"),
    "budget": (str | None, "as '90s', '10m' or '1h', or None"),
    "listen": (Callable | None, "a function of one dict, or None"),
    "began": (float | int | None, "seconds since 1970, or None"),
}


REDUCE = ("exact", "native")


@dataclass(frozen=True, kw_only=True, repr=False)
class Options:
    """What is rarely asked of `train`; `dataclasses.replace` gives a changed copy.

    Attributes:
        until: the stage to cut the backbone at.
        precision: float32, float64, bfloat16 or float16; the last two mixed, over float32 weights.
        compile: off, on, or auto, which measures whether it pays.
        threads: of the framework and the decoder; None: chosen by the size of the work.
        start: a run or bundle of the same net, whose weights to start from.
        checkpoint_every: `30s`, `5m`, `100 steps`; None: no checkpoints.
        workers: so many processes train together, a batch being 4 shards where the recipe doesn't say (`shards`): 1, 2
            or 4 give the same bits. `env`: this is one of them, as torchrun, SLURM or Kubernetes say. None: one
            process, and whole batches.
        reduce: `exact` adds the workers' gradients in one order; `native` by the framework's own collective (gloo,
            NCCL), each worker's part of a batch in one step: quicker, within rounding, and not the same bits.
        worker_timeout: `90s`, `10m`: how long a worker is waited for in a step.
        cluster: of Ray, whose nodes do the work: `local` (one that is started here), `auto` (the one that runs here, or
            that RAY_ADDRESS names), `ray://HOST:PORT`. With `workers`, so many are placed on its nodes; else one is. A
            probe's features are shared out over its free CPUs. None: this machine.
        loggers: where else to log, beside the run folder: files of `training.loggers`, as `["tensorboard"]`.
        budget: `90s`, `10m`, `1h`: the recipe is the best that fits in that time, by a short measurement here.
        listen: gets progress and log messages, as dicts; None: a bar, where a terminal or a notebook shows it.
        began: when the user's process started, seconds since 1970; None: now.

    Raises:
        UsageError: a value of another kind, as `budget=60`; says what is expected.
    """

    until: str | None = None
    precision: str = "float32"
    compile: str = "off"
    threads: int | None = None
    start: str | Path | None = None
    checkpoint_every: str | None = DEFAULT
    workers: int | str | None = None
    worker_timeout: str = "10m"
    reduce: Literal["exact", "native"] = "exact"
    cluster: str | None = None
    loggers: Sequence[str] = ()
    budget: str | None = None
    listen: Listener | None = None
    began: float | None = None

    def __post_init__(self) -> None:
        for name, (kind, expected) in KINDS.items():
            value = getattr(self, name)
            few = name in ("threads", "workers") and isinstance(value, int) and value < 1
            if not isinstance(value, kind) or few or (name == "workers" and value not in (None, "env", *_whole(value))):
                raise UsageError(f"{name}={value!r}: expected {expected}.")
        check_cluster(self.cluster)
        if self.cluster and self.workers == "env":
            raise UsageError("--workers env: something else has started the workers already. Leave --cluster out.")

        if self.reduce not in REDUCE or (self.reduce != "exact" and self.workers is None):
            raise UsageError(f"reduce={self.reduce!r}: expected one of {', '.join(REDUCE)}, where there are workers.")

    def __repr__(self) -> str:
        """What was asked for; the rest is as it is by default."""
        held = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        return f"Options({', '.join(f'{name}={value!r}' for name, value in held.items())})"


def _whole(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else ()


def with_options(function: Callable[P, R]) -> Callable[P, R]:
    """For a function that takes `options`: one of them as a keyword is refused, with where it belongs."""

    @wraps(function)
    def told(*args: P.args, **given: P.kwargs) -> R:
        if old := [one.name for one in fields(Options) if one.name in given]:
            what = f"{', '.join(old)} {'is an option' if len(old) == 1 else 'are options'}"
            raise UsageError(f"{what}: options=bakeoff.Options({', '.join(f'{name}=...' for name in old)})")
        if not isinstance(asked := given.get("options", Options()), Options):
            raise UsageError(f"options is of {type(asked).__name__}; expected bakeoff.Options, as Options(threads=1)")
        return function(*args, **given)

    return told
