"""`plan`: what the command and the Python API both call."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.data.recipes import read_for
from bakeoff.errors import CorruptError, UsageError
from bakeoff.files import absent, regular, write_text
from bakeoff.given import held
from bakeoff.recipe import to_toml
from bakeoff.recipe.schema import Finetune, Recipe
from bakeoff.scale.costs import Forecast, Units, Wanted, forecast
from bakeoff.schemas import Brief
from bakeoff.system import cpus
from bakeoff.training.api import choose_framework, in_shards, resolve
from bakeoff.training.job import Job, check
from bakeoff.training.places.local import Crew, Failed
from bakeoff.workers.channel import Listener
from bakeoff.workers.progress import live

ENTRY = "bakeoff.scale.measure:work"
MOST = 2**20  # bytes of a file of unit costs


@dataclass(frozen=True, repr=False)
class Plan(Brief):
    """A forecast, and what it stands on.

    Attributes:
        units: what was measured, here or where the file is from.
        wanted: what was asked about.
        forecast: what that adds up to.
        alone: the same with one worker.
    """

    units: Units
    wanted: Wanted
    forecast: Forecast
    alone: Forecast

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {
            "units": msgspec.to_builtins(self.units),
            "wanted": dict(vars(self.wanted)),
            "forecast": self.forecast.to_json(),
            "alone": self.alone.to_json(),
        }


@held
@live()
def plan(
    data: str | Path | None = None,
    recipe: str | Recipe = "photos-whole",
    *,
    framework: str | None = None,
    overrides: Sequence[str] = (),
    workers: int = 1,
    machines: int = 1,
    images: int | None = None,
    network: float | None = None,
    price: float | None = None,
    device: str | Path | None = None,
    measure: str | Path | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Plan:
    """What a training would take with more workers, machines and images; nothing is trained.

    Unit costs are measured here in about half a minute, or come from a file that `measure` wrote on another machine.

    Args:
        data: some images of the kind, as for `train`; with `device` how many there are, or None.
        recipe, framework, overrides, quiet: as for `train`; listen: as for its `Options`.
        workers: in all; a divisor of the recipe's shards.
        machines: that they are spread over.
        images: how many there will be, of all splits; None: as many as in `data`.
        network: bytes a second between machines.
        price: of a machine for an hour, in any currency.
        device: a file of unit costs, or its name without `.json`; None: this machine.
        measure: write the unit costs of this machine there.

    Raises:
        UsageError: no images, and no device; workers that the shards can't be dealt out to; no `network`.
        CorruptError: the file holds no unit costs.
    """
    if data is None and device is None:
        raise UsageError(
            "plan: no images were named. As: bakeoff plan DATA; or unit costs from elsewhere: --device FILE"
        )
    if measure is not None and device is not None:
        raise UsageError("--measure writes what this machine costs: leave --device out.")
    wanted = Wanted(workers, machines, images, network, price)
    _check(wanted)
    if device is not None:
        found = read(device)
        found = found if data is None else _of(found, str(data), resolve(recipe, overrides=overrides))
    else:
        found = measured(str(data), recipe, framework, overrides, listen)
    if found.shards % workers:
        counts = [n for n in range(1, found.shards + 1) if found.shards % n == 0]
        raise UsageError(
            f"--workers {workers}: the recipe's batches are {found.shards} shards; expected one of "
            f"{', '.join(map(str, counts))}.\nOr more shards: --set phases.0.shards={math.lcm(workers, found.shards)}"
        )
    if measure is not None:
        write_text(Path(measure), json.dumps(msgspec.to_builtins(found), indent=1) + "\n")
    return Plan(found, wanted, forecast(found, wanted), forecast(found, replace(wanted, workers=1, machines=1)))


def _check(wanted: Wanted) -> None:
    for name in ("workers", "machines", "images", "network", "price"):
        value = getattr(wanted, name)
        if value is not None and not value > 0:
            raise UsageError(f"--{name} {value}: expected a number above 0.")
    if wanted.machines > wanted.workers:
        raise UsageError(f"--machines {wanted.machines}: more than the {wanted.workers} workers.")
    if wanted.machines > 1 and wanted.network is None:
        raise UsageError("--machines: how fast is the network between them? --network 1.25e9 is 10 Gbit/s, in bytes/s.")


def measured(
    data: str, recipe: str | Recipe, framework: str | None, overrides: Sequence[str], listen: Listener | None
) -> Units:
    """The unit costs here."""
    began = time.time()
    chosen = in_shards(resolve(recipe, overrides=overrides))
    shards = next(phase.shards for phase in chosen.phases if isinstance(phase, Finetune))
    assert shards
    at_once = max(n for n in range(1, min(cpus(), shards) + 1) if shards % n == 0)
    job = Job(data, to_toml(chosen), choose_framework(framework, chosen), ".", chosen.seed, workers=at_once)
    check(job, chosen)
    found = Crew(job, listen, ENTRY).work({"job": job.to_json(), "began": began})
    if isinstance(found, Failed):
        raise found.error
    return msgspec.convert(found, Units)


def _of(units: Units, data: str, recipe: Recipe) -> Units:
    """The units, of as many images as there are."""
    found = read_for(recipe, data, recipe.seed, frozen=recipe.data.frozen)
    counts = {name: len(found.splits[name]) if name in found.splits else 0 for name in ("validation", "test")}
    return msgspec.structs.replace(units, training=len(found.train), **counts)


def read(device: str | Path) -> Units:
    """Unit costs from a file.

    Raises:
        UsageError: there is none.
        CorruptError: it holds something else.
    """
    path = Path(device) if Path(device).suffix else Path(f"{device}.json")
    if not path.is_file():
        raise UsageError(
            f"--device {device}: {absent(path, 'file')}\n"
            f"Unit costs are measured, never guessed. On such a machine: bakeoff plan DATA --measure {path.name}"
        )
    try:
        with regular(path) as file:
            return msgspec.json.decode(file.read(MOST), type=Units)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise CorruptError(
            f"{path}: no unit costs ({error}). Write them with: bakeoff plan DATA --measure FILE"
        ) from None


def number(text: str, option: str) -> int:
    """`1200`, `50k`, `100m` or `2b` images.

    Raises:
        UsageError: it is none of them.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmb]?)", text.strip().lower())
    found = float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}[match[2]] if match else 0.0
    if not 1 <= found <= 2**53:
        raise UsageError(f"{option} {text}: expected a number of images, as 50000, 50k or 100m.")
    return round(found)
