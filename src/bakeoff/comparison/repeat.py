"""A comparison made again from its report.json, and whether it comes to the same choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from bakeoff.comparison import contestants as entered
from bakeoff.comparison.api import Compared, compare
from bakeoff.drawing.card import Card
from bakeoff.errors import DataError, UsageError
from bakeoff.files import named
from bakeoff.given import held
from bakeoff.recipe import loads
from bakeoff.rundir.finished import Finished
from bakeoff.rundir.readers import read_json
from bakeoff.schemas import SCHEMA
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.progress import live


class _Job(msgspec.Struct):
    recipe: str
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    device: str
    precision: str
    threads: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None


class _Wanted(msgspec.Struct):
    contestants: list[str]
    seeds: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    predict: bool
    budget: float | None
    margin: float
    price: float | None


class _Asked(msgspec.Struct):
    images: str
    jobs: dict[str, _Job]
    wanted: _Wanted


class _Need(msgspec.Struct):
    need: str
    choice: str | None
    why: str


class _Report(msgspec.Struct):
    """What is read of report.json."""

    asked: _Asked
    needs: list[_Need]
    verdict: str
    environment: dict[str, str]
    accuracy: dict[str, Any] = {}


@dataclass(frozen=True, repr=False)
class Repeated(Finished):
    """A comparison made again.

    Attributes:
        path: the folder of the new one.
        result: what `bakeoff compare --repeat --json` prints: `same`, and a row for each need: `need`, `before`, `now`,
            `same`.
    """

    def _card(self) -> Card:
        rows = {row["need"]: f"{row['before'] or '–'}, now {row['now'] or '–'}" for row in self.result["needs"]}
        return Card(str(self.path), {"same": self.result["same"], **rows})


@held
@live()
def repeat(
    data: str | Path,
    report: str | Path,
    *,
    run: str | Path | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Repeated:
    """The comparison of a report.json made again, as it was asked for, and both beside each other.

    A need that one of them could not decide contradicts nothing: a machine that is busier decides less.

    Args:
        data: the same images.
        report: the report.json, or the folder of a comparison.
        run: the folder of the new comparison; None: a new one.
        listen, quiet: as for `compare`.

    Raises:
        DataError: there is no report, or the images are others.
        CorruptError: the report was edited or cut.
        UsageError: the report doesn't say what was asked for.
    """
    path = Path(report)
    path = path / "report.json" if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. `bakeoff compare` writes one beside report.html.")
    told = read_json(path)
    if "asked" not in told:
        raise UsageError(f"{path}: doesn't say what was asked for. Give the report.json that `bakeoff compare` wrote.")
    with named(path, "Compare again."):
        before = msgspec.convert(told, _Report)
    asked, wanted = before.asked, before.asked.wanted
    first = next(iter(asked.jobs.values()))
    _say_machine(before.environment, Reporter(listen))
    found: Compared = compare(
        data,
        loads(first.recipe),
        tuple(asked.jobs),
        contestants=[entered.kind(name) for name in wanted.contestants] or None,
        budget=None if wanted.budget is None else f"{wanted.budget:g}s",
        seeds=wanted.seeds,
        predict=wanted.predict,
        margin=wanted.margin,
        price=wanted.price,
        run=run,
        seed=first.seed,
        device=first.device,
        precision=first.precision,
        threads=first.threads,
        listen=listen,
    )
    if read_json(found.path / "asked.json")["images"] != asked.images:
        raise DataError(f"{path}: is of other images than {data}, or of another split of them.")
    return Repeated(found.path, {"schema": SCHEMA, "run": str(found.path), **beside(before, found.result)})


def beside(before: _Report, now: Mapping[str, Any]) -> dict[str, Any]:
    """Both results by what one would act on."""
    choices = {row["need"]: row["choice"] for row in now["needs"]}
    rows = []
    for need in before.needs:
        other = choices.get(need.need)
        undecided = need.choice is None or other is None
        rows.append({"need": need.need, "before": need.choice, "now": other, "same": undecided or need.choice == other})
    equal = [one.get("equivalent") for one in (before.accuracy, now["accuracy"])]
    rows.append(
        {
            "need": "equally accurate",
            "before": _word(equal[0]),
            "now": _word(equal[1]),
            "same": None in equal or equal[0] == equal[1],
        }
    )
    return {"same": all(row["same"] for row in rows), "needs": rows, "verdicts": [before.verdict, now["verdict"]]}


def _word(equal: bool | None) -> str | None:
    return {True: "yes", False: "no", None: None}[equal]


def _say_machine(before: Mapping[str, str], reporter: Reporter) -> None:
    from bakeoff.rundir.machine import machine

    here = machine()
    for key in sorted(here.keys() & before.keys()):
        if here[key] != before[key]:
            reporter.log(f"{key} was {before[key]}, and is {here[key]} here: what comes out may differ for that")
