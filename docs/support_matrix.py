"""What converts, model by model and check by check: docs/support-matrix.md, from lines that the censuses wrote.

    python docs/support_matrix.py                        write the page from docs/support-matrix.jsonl
    python docs/support_matrix.py CENSUS.jsonl ...       take in lines of bench/census_*.py first; later ones win
    python docs/support_matrix.py --check                exit 1 where the page is not up to date

A figure is shown only where it was measured. A model that fails stands there with its reason.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PAGE, LINES = DOCS / "support-matrix.md", DOCS / "support-matrix.jsonl"
LOGITS, DOUBLE, LOSS, GRADIENT, NOISES = 1e-4, 1e-9, 1e-6, 1e-5, 4

INTRO = """\
<!-- Made from support-matrix.jsonl by docs/support_matrix.py (`make docs`). Edit there. -->

# Support matrix

Which models were converted, and what was checked. Every figure is a difference relative to the largest value of the
source; *not measured* means that nobody has looked, not that it works. A model that isn't listed may well convert:
`bakeoff convert` checks it on the spot and writes nothing that doesn't pass.

* **float32**: logits, at most {logits:g}, or {noises} times the source's own **noise** (float32 against float64).
* **float64**: logits of the same net in float64, at most {double:g}.
* **weights**: what comes back equals the source bit for bit. **counts**: as many trainable numbers on both sides.
* **steps**: four training steps in float64: loss within {loss:g}, gradients, weights and running statistics within
  {gradient:g} of their largest.

Weights are random, statistics calibrated, so that no layer is the identity: see `bench/census_torch.py` and
`bench/census_keras.py`.
"""


@dataclass(frozen=True)
class Check:
    """A column: a name, and what it says of a record. None: not measured."""

    name: str
    passed: bool | None
    text: str


def number(name: str, value: float | None, limit: float) -> Check:
    """A figure with its limit; NaN fails."""
    return Check(name, None, "–") if value is None else Check(name, value <= limit, f"{value:.0e}")


def truth(name: str, value: bool | None) -> Check:
    """Yes or no."""
    return Check(name, None, "–") if value is None else Check(name, value, "yes" if value else "no")


def checks(record: dict[str, Any]) -> list[Check]:
    """The checks of a record, in the order of the columns."""
    found = record.get
    if from_torch(record):
        limit = max(LOGITS, NOISES * found("floor", 0.0))
        return [
            number("torch, float32", found("torch_float32"), limit),
            number("torch, float64", found("torch_float64"), DOUBLE),
            number("Keras, float32", found("keras_float32"), limit),
            number("Keras, float64", found("keras_float64"), DOUBLE),
            truth("weights", found("bits")),
            counts(record),
            steps(record),
        ]
    return [
        number("torch, float32", found("logits"), max(LOGITS, NOISES * found("noise", 0.0))),
        number("torch, float64", found("logits64"), DOUBLE),
        truth("weights", found("weights_back")),
        truth("counts", found("counts")),
        steps(record),
    ]


def counts(record: dict[str, Any]) -> Check:
    """Whether the graph, and Keras where it was built, train as many numbers as the source; else how many of them."""
    if "same_count" not in record:
        return Check("counts", None, "–")
    total, trained = record["count"], record.get("keras_count", record["count"])
    same = bool(record["same_count"])
    said = f"{trained:,} of {total:,}" if total != trained else "yes" if same else "no"
    return Check("counts", same and total == trained, said)


def steps(record: dict[str, Any]) -> Check:
    """The four steps as one column: the worst of what was compared; NaN is the worst of all."""
    limits = {"loss64": LOSS, "gradient64": GRADIENT, "steps64": GRADIENT, "state64": GRADIENT}
    measured = {key: record[key] for key in limits if record.get(key) is not None}
    if not measured:
        return Check("steps", None, "–")
    passed = all(value <= limits[key] for key, value in measured.items())
    return Check("steps", passed, f"{max(measured.values(), key=lambda value: (value != value, value)):.0e}")


def from_torch(record: dict[str, Any]) -> bool:
    """Models of timm and torchvision have their library's name in front."""
    return "/" in record["model"] and not record["model"].startswith("keras/")


def verdict(record: dict[str, Any]) -> str:
    """In a word; for a failure with its reason."""
    if "error" in record:
        said = reason(record["error"])
        return f"**not finished**: {said}" if re.search(r"(more|longer) than \d+ s$", said) else f"**fails**: {said}"
    failed = [f"{check.name} ({check.text})" for check in checks(record) if check.passed is False]
    if failed:
        return f"**fails**: {', '.join(failed)}"
    if not record.get("passed", False):
        return "**fails**: the census says so"
    missing = [check.name for check in checks(record) if check.passed is None]
    return "passes" if not missing else f"passes; not measured: {', '.join(missing)}"


def reason(error: str) -> str:
    """The message of an error: its last exception, without paths of a machine, fit for a table."""
    logged = re.compile(r"(\w+: )?([IWE]\d{4} |WARNING: All log|To turn them off|$)")  # TensorFlow's greetings
    lines = [line.strip() for line in error.strip().splitlines() if not logged.match(line.strip())]
    named = [index for index, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception|Killed)\b", line)]
    said = lines[named[-1]] if named else (lines[-1] if lines else "its process died without a message")
    said = re.sub(r"^bakeoff\.errors\.", "", said)
    said = re.sub(r"(?:/[\w.+-]+)+/(?=[\w.+-]+)", "", said)
    return said.replace("|", "/")[:200]


def table(records: list[dict[str, Any]]) -> str:
    """A table of models that share their columns."""
    names = [check.name for check in checks(records[0])]
    lines = [
        f"| model | px | noise | {' | '.join(names)} | verdict |",
        "| --- " * 3 + "| --- " * len(names) + "| --- |",
    ]
    for record in sorted(records, key=lambda record: record["model"].lower()):
        cells = [check.text if check.passed is not False else f"**{check.text}**" for check in checks(record)]
        noise = record.get("floor", record.get("noise"))
        head = f"{record['model']} | {record.get('size', '')} | {'–' if noise is None else f'{noise:.0e}'}"
        lines.append(f"| {head} | {' | '.join(cells)} | {verdict(record)} |")
    return "\n".join(lines) + "\n"


def page(records: Iterable[dict[str, Any]]) -> str:
    """The page as Markdown."""
    given = list(records)
    parts = [INTRO.format(logits=LOGITS, noises=NOISES, double=DOUBLE, loss=LOSS, gradient=GRADIENT)]
    sides = {"From PyTorch": True, "From Keras": False}
    for title, torch in sides.items():
        chosen = [record for record in given if from_torch(record) == torch]
        parts.append(f"\n## {title}\n\n")
        if not chosen:
            parts.append("Not measured yet.\n")
            continue
        fine = sum(verdict(record).startswith("passes") for record in chosen)
        parts.append(f"{fine} of {len(chosen)} models pass every check that was made.\n\n{table(chosen)}")
    return "".join(parts)


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file; a half-written last line is left out."""
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path.name}: a line that isn't whole is left out", file=sys.stderr)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("census", nargs="*", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    paths = ([LINES] if LINES.exists() else []) + given.census
    records = {record["model"]: record for path in paths for record in read(path)}
    kept = [shortened(records[model]) for model in sorted(records)]
    text = page(kept)
    if given.check:
        return int(not PAGE.exists() or PAGE.read_text() != text)
    LINES.write_text("".join(json.dumps(record) + "\n" for record in kept))
    PAGE.write_text(text)
    return 0


def shortened(record: dict[str, Any]) -> dict[str, Any]:
    """A record whose error is its message alone: a traceback names this machine's folders."""
    return {**record, "error": reason(record["error"])} if "error" in record else record


if __name__ == "__main__":
    sys.exit(main())
