"""What converts, model by model: docs/support-matrix.md, from the rows that bench/census.py keeps beside it.

    python docs/support_matrix.py             write the page from docs/support-matrix.jsonl
    python docs/support_matrix.py --check     exit 1 where the page is not up to date

A figure is shown only where it was measured. A model that fails stands there with its reason. What is a failure is
decided by the judge alone, whose verdict a row has.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bakeoff.parity.tolerance import FLOAT64, JUDGE, NOISE, UNEXPLAINED

Row = dict[str, Any]
DOCS = Path(__file__).resolve().parent
PAGE, ROWS = DOCS / "support-matrix.md", DOCS / "support-matrix.jsonl"
GROUPS = {
    "timm": "From timm, to Keras",
    "torchvision": "From torchvision, to Keras",
    "transformers": "From transformers, to Keras",
    "keras": "From keras.applications, to torch",
    "own": "Nets as users write them in Keras, to torch",
}
FIGURES = ("logits", "losses", "gradients", "statistics", "float32.logits")
LONGEST = 220

INTRO = """\
<!-- Made from support-matrix.jsonl by docs/support_matrix.py (`make docs`). Edit there. -->

# Support matrix

Which models were converted, and how far the two sides are apart. A model that isn't listed may well convert:
`bakeoff convert` checks it on the spot and writes nothing that doesn't pass.

* Each row is one `bakeoff convert --check full` of a net with drawn weights, at a small input size where the net allows
  it: other batches and sizes, training with its noise on, flat images, the file that was written, read back.
* Figures are differences relative to the largest value of the source, in float64, of each kind the check that is
  nearest to its tolerance: {limit:g}, or {noise:g} times the source's own noise, which then stands in brackets. What
  lies between {unexplained:g} and that is *not decided*, and not decided isn't passed. **losses**, **gradients** and
  **statistics** are those of training. **float32** is what a user sees of the logits; float64 decides.
* **declared**: the checks pass, and what of its training the other library has no place for is named.
* *old judge*: measured by the judge of version 0.1, whose limits were wider (losses 1e-6, gradients 1e-5), and not
  since. `make census` renews rows: see `bench/census.py`.
"""

OTHERS = """
## What others convert

As of autumn 2026, from their own code and documents.

| | converts | gives | what is checked of training |
| --- | --- | --- | --- |
| Bakeoff | the tables below, and users' own nets of the same operators; both ways | native layers | losses, gradients, statistics and weights of several steps, in float64: {trained} of the rows below |
| KerasHub, timm loader | weights of 7 families (ResNet, CSPNet, DenseNet, MobileNet, MobileNetV5, VGG, EfficientNet); one way | its own classes in Keras 3 | nothing; of outputs shapes, and a mean difference that is printed |
| ZeroModels | about 35 families with timm's and transformers' weights, fine-tuned ones too; one way | classes written by hand in Keras 3 | nothing; logits |
| onnx2tf | ONNX to TensorFlow and LiteRT, LiteRT and ONNX to torch | graphs; the torch ones "intended primarily for inference" (README) | nothing; outputs, operator by operator |
| nobuco | traced torch modules; one way | layers of Keras 2 | nothing; outputs, operator by operator, in evaluation |
"""  # noqa: E501


def verdict(row: Row) -> str:
    """In a word; for what didn't pass with its reason."""
    word, why = row["verdict"], row.get("error") or next(iter(row.get("failed", [])), "")
    if word in ("passed", "declared"):
        said = f"{word}: {', '.join(row['declared'])}" if word == "declared" else word
        said += f"; needs Bakeoff's {', '.join(row['custom'])}" if row.get("custom") else ""
    else:
        said = f"**{word}**: {why[:LONGEST]}".replace("|", "/")
    if row["key"]["judge"] == JUDGE:
        return said
    return f"{said} (old judge{', on JAX too' if 'jax.losses' in row['figures'] else ''})"


def figure(row: Row, kind: str) -> str:
    """A difference; its tolerance in brackets where that is wider than the plain one, bold where it is beyond it."""
    found = row.get("figures", {}).get(kind)
    if found is None:
        return "–"
    difference, tolerance = math.inf if found[0] is None else found[0], found[1]
    wide = kind != "float32.logits" and tolerance > FLOAT64 and row["key"]["judge"] == JUDGE
    said = f"{difference:.0e}" + (f" ({tolerance:.0e})" if wide else "")
    return said if difference <= tolerance else f"**{said}**"


def table(rows: Sequence[Row]) -> str:
    """A table of models that share their source."""
    lines = [f"| model | px | {' | '.join(FIGURES).replace('.logits', '')} | verdict |", "| --- " * 8 + "|"]
    for row in sorted(rows, key=lambda row: row["model"].lower()):
        cells = [row["model"], row.get("size") or "–", *(figure(row, kind) for kind in FIGURES), verdict(row)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """How many of which verdict, by which judge."""
    said = []
    for name, new in (("", True), (" under the old judge", False)):
        some = [row for row in rows if (row["key"]["judge"] == JUDGE) == new]
        counted = Counter(row["verdict"] for row in some)
        if some:
            parts = ", ".join(f"{number} {word}" for word, number in counted.most_common())
            said.append(f"{len(some)} models{name}: {parts}, {trained(some)} of those that passed were trained.")
    return "\n".join(said) + "\n"


def trained(rows: Sequence[Row]) -> int:
    """How many passed that were trained."""
    return sum(row["verdict"] in ("passed", "declared") and "losses" in row.get("figures", {}) for row in rows)


def page(rows: Sequence[Row]) -> str:
    """The page as Markdown."""
    parts = [INTRO.format(limit=FLOAT64, noise=NOISE, unexplained=UNEXPLAINED)]
    parts.append(OTHERS.format(trained=trained([row for row in rows if row["key"]["judge"] == JUDGE])))
    for library, title in GROUPS.items():
        chosen = [row for row in rows if row["model"].startswith(f"{library}/")]
        parts.append(f"\n## {title}\n\n{summary(chosen)}\n{table(chosen)}" if chosen else f"\n## {title}\n\nNot yet.\n")
    return "".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    text = page([json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()])
    if given.check:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
