"""What converts, model by model and check by check: docs/support-matrix.md, from lines that the censuses wrote.

    python docs/support_matrix.py                        write the page from docs/support-matrix.jsonl
    python docs/support_matrix.py CENSUS.jsonl ...       take in lines of bench/census_*.py first; later ones win
    python docs/support_matrix.py --check                exit 1 where the page is not up to date

A figure is shown only where it was measured. A model that fails stands there with its reason. What is a failure is not
decided here but in bench/_census.py.
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

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "bench"))

from _census import BLIND, CENTRED64, DRAWS, LOGITS32, LOGITS64, SIDES, STEPS64, failures, shows  # noqa: E402

from bakeoff.parity.tolerance import MOST, NOISE  # noqa: E402

MORE = ("JAX, float64", "JAX steps", "AdamW, float64", "steps, float32")  # asked of some models alone
PAGE, LINES = DOCS / "support-matrix.md", DOCS / "support-matrix.jsonl"
NAMES = {"torch": "torch", "keras": "Keras", "jax": "JAX"}

INTRO = """\
<!-- Made from support-matrix.jsonl by docs/support_matrix.py (`make docs`). Edit there. -->

# Support matrix

Which models were converted, and what was checked. Every figure is a difference relative to the largest value of the
source; *not measured* means that nobody has looked, not that it works. A model that isn't listed may well convert:
`bakeoff convert` checks it on the spot and writes nothing that doesn't pass.

* **float32**: logits, at most {logits:g}, or {noise:g} times the source's own **noise** (float32 against float64).
* **float64**: logits of the same net in float64, at most {double:g}. The difference between the logits of two images
  is judged as well (at most {centred:g}), and must be more than {blind:g}: a net that ignores its input proves nothing.
* **weights**: what comes back equals the source bit for bit, and its own library takes it strictly. **counts**: as many
  trainable numbers on both sides.
* **steps**: four steps of SGD with momentum, dropout and drop-path at 0, as loss / gradients / running statistics. In
  float64 at most {loss:g} / {gradient:g} / {state:g} (each parameter against its own largest). In float32 the source's
  own noise stands in brackets: the worst of {draws} trainings of its own, images changed by a rounding, against its
  float64; at most {noise:g} times that. Where that would be more than {most:g}, as relus that flip can make it, the
  figure says nothing and isn't judged: float64 decides.

Weights are random, statistics calibrated, so that no layer is the identity: see `bench/census_torch.py` and
`bench/census_keras.py`. The input sizes are small ones where the net allows it.
"""


@dataclass(frozen=True)
class Check:
    """A column: a name, and what it says of a record. None: not measured."""

    name: str
    passed: bool | None
    text: str


def checks(record: dict[str, Any], failed: list[str] | None = None) -> list[Check]:
    """The checks of a record, in the order of the columns."""
    wrong = set((failures(record) if "floor" in record else []) if failed is None else failed)
    sides = SIDES if from_torch(record) else SIDES[:1]
    found = []
    for side in sides:
        for precision in ("float32", "float64") if side != "jax" else ("float64",):
            key = f"{side}_{precision}"
            found.append(
                figures(f"{NAMES[side]}, {precision}", record, [key], wrong, also=[f"{key}_centred", "spread"])
            )
    found += [truth("weights", record, ["bits", *(f"{side}_bits" for side in sides)], wrong), counts(record, wrong)]
    names = list(STEPS64)[:-1]
    steps = {
        "steps, float64": "{}64",
        "steps, float32": "{}32",
        "AdamW, float64": "adamw_{}64",
        "JAX steps": "{}64_jax",
    }
    for title, pattern in steps.items():
        keys = [pattern.format(name) for name in names]
        if from_torch(record) or title.startswith("steps"):
            found.append(figures(title, record, keys, wrong, also=[pattern.format("weights")]))
    return found


def figures(name: str, record: dict[str, Any], keys: list[str], wrong: set[str], also: list[str]) -> Check:
    """Some figures as one column; float32 with its noise in brackets."""
    if record.get(keys[0]) is None:
        return Check(name, None, "–")
    said = []
    for key in keys:
        floor = record.get(f"{key.removesuffix('32')}_floor") if key.endswith("s32") else None
        said.append(f"{record[key]:.0e}" + ("" if floor is None else f" ({floor:.0e})"))
    said += [f"{key} {record[key]:.0e}" for key in also if key in wrong]
    return Check(name, not wrong & {*keys, *also}, " / ".join(said))


def truth(name: str, record: dict[str, Any], keys: list[str], wrong: set[str]) -> Check:
    """Yes or no."""
    if not any(key in record for key in keys):
        return Check(name, None, "–")
    fine = not wrong & set(keys)
    return Check(name, fine, "yes" if fine else "no")


def counts(record: dict[str, Any], wrong: set[str]) -> Check:
    """Whether the graph, and what was rebuilt, train as many numbers as the source; else how many of them."""
    if "same_count" not in record:
        return Check("counts", None, "–")
    other = [record[key] for side in SIDES if (key := f"{side}_count") in wrong]
    if other:
        return Check("counts", False, f"{other[0]:,} of {record['count']:,}")
    fine = "same_count" not in wrong
    return Check("counts", fine, "yes" if fine else "no")


def from_torch(record: dict[str, Any]) -> bool:
    """Models of timm and torchvision have their library's name in front."""
    return "/" in record["model"] and not record["model"].startswith("keras/")


def verdict(record: dict[str, Any]) -> str:
    """In a word; for a failure with its reason."""
    if "error" in record:
        said = reason(record["error"])
        where = f" ({record['stage']})" if "stage" in record else ""
        late = re.search(r"(more|longer) than \d+ s$", said)
        return f"**not finished**: {said}{where}" if late else f"**fails**: {said}{where}"
    failed = failures(record)
    if failed:
        shown = [f"{check.name} ({check.text})" for check in checks(record, failed) if check.passed is False]
        return f"**fails**: {', '.join(shown or failed)}"
    missing = [check.name for check in checks(record, failed) if check.passed is None and check.name not in MORE]
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
        noise = record.get("floor")
        head = f"{record['model']} | {record.get('size', '')} | {'–' if noise is None else f'{noise:.0e}'}"
        lines.append(f"| {head} | {' | '.join(cells)} | {verdict(record)} |")
    return "\n".join(lines) + "\n"


def summary(records: list[dict[str, Any]]) -> str:
    """How many pass, and how many of them were trained."""
    fine = [record for record in records if verdict(record).startswith("passes")]
    said = f"{len(fine)} of {len(records)} models pass every check that was made"
    trained = {"losses64": "trained", "losses64_jax": "trained on JAX", "adamw_losses64": "with AdamW"}
    for key, what in {**trained, "gradients32": "in float32 where that says anything"}.items():
        number = sum(key in record and shows(record.get("gradients_floor", 0.0)) for record in fine)
        said += f", {number} {what}" if number else ""
    return f"{said}.\n"


def page(records: Iterable[dict[str, Any]]) -> str:
    """The page as Markdown."""
    given = list(records)
    about = {"logits": LOGITS32, "noise": NOISE, "double": LOGITS64, "centred": CENTRED64, "blind": BLIND}
    about |= {"loss": STEPS64["losses"], "gradient": STEPS64["gradients"], "state": STEPS64["statistics"]}
    about |= {"most": MOST, "draws": DRAWS + 1}
    parts = [INTRO.format(**about)]
    for title, chosen in groups(given).items():
        parts.append(f"\n## {title}\n\n{summary(chosen)}\n{table(chosen)}" if chosen else f"\n## {title}\n\nNot yet.\n")
    return "".join(parts)


def groups(records: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By where they come from."""
    keras = [record for record in records if not from_torch(record)]
    return {
        "From timm": [record for record in records if record["model"].startswith("timm/")],
        "From torchvision": [record for record in records if record["model"].startswith("torchvision/")],
        "From transformers": [record for record in records if record["model"].startswith("transformers/")],
        "From keras.applications": [record for record in keras if record["model"][0].isupper()],
        "Nets as users write them in Keras": [record for record in keras if not record["model"][0].isupper()],
    }


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
