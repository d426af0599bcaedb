"""The pages of docs/ that are made from code: run by `make docs`.

    python docs/generate.py            write them
    python docs/generate.py --check    exit 1 where docs/explanation/how-the-frameworks-differ.md is not up to date, or
                                       README.md's table of extras, SECURITY.md's, docs/report.schema.json

That page is committed, since it is read on the web; docs/reference/ is not.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import ops, optimizers
from bakeoff.comparison.schema import json_schema
from bakeoff.ops._page import Case, Gap, Mode

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))  # what cases are run on
README = DOCS.parent / "README.md"
SECURITY = DOCS.parent / "SECURITY.md"
SCHEMA = DOCS / "report.schema.json"
DIFFERENCES = DOCS / "explanation" / "how-the-frameworks-differ.md"
FRAMEWORKS = {"torch": "PyTorch", "keras": "Keras", "tf": "TensorFlow", "tensorflow": "TensorFlow", "onnx": "ONNX"}

INTRO = """\
<!-- Made from src/bakeoff/ops and src/bakeoff/optimizers by docs/generate.py (`make docs`). Edit the pages there. -->

# How the frameworks differ

The same layer, with the same weights and the same numbers going in, doesn't give the same numbers in PyTorch and in
Keras unless one knows where the two part: a default that differs, a padding that goes to the other side, a variance
divided by *n* here and by *n - 1* there. None of it is a bug, little of it is written down in one place, and most of it
shows only after training, as an accuracy that is a little lower than it should be.

This page lists these places, operator by operator. It is not written from memory: it is made from the *pages* of
Bakeoff, the files that lower each operator to PyTorch, Keras (on TensorFlow and JAX) and ONNX. The tests run every case
named here in every framework against a NumPy reference, and each wrong value in the tables below is tried, too: a check
that can't fail proves nothing.

## How to read it

* **Traps** say where the libraries part. Under each stands the *case that shows it*: input and attributes with which
  you will see it.
* **What a wrong value costs**: one attribute is set wrongly in the NumPy reference, and the largest difference of the
  answer is given, as a share of the largest right value. Below 1e-5 nobody would notice; 0.1 ruins a network.
* **Tolerance** is how far two right implementations may part in float32, relative to the largest value: 0 means bit for
  bit; the rest follows from rounding (a sum of *n* products: about 8 ulps times the root of *n*).
* **Less than float64 in float64** is where a library rounds to float32 within, and by how much of the largest value at
  most. Where `convert` and `compare` judge in float64, this is done exactly, and the certificate says so.
* **Gaps** are what Bakeoff does not translate, with words of the error that says so: *not yet* (work to do), *not
  upstream* (a library lacks it), *never* (there is nothing to translate to). The tests run each of them.
* Shapes are channels last, (N, H, W, C): N images, height, width, channels. PyTorch stores (N, C, H, W).

What lies outside single operators (decoding and resizing images, start weights, float64 that secretly is float32, and
processes that crash) stands in [beyond the operators](beyond-the-operators.md).
"""

OPTIMIZER_INTRO = """\
An optimizer of the same name is not the same optimizer. Each table says by how much the weights part after {steps}
steps on the same gradients when one setting is off, as a share of the largest weight.

**Losses** is how far the losses of two frameworks may part in float32 over those steps, each with its own gradients.
"""

CLOSING = """
---

Missing or wrong? Each section is one file: [src/bakeoff/ops](../../src/bakeoff/ops) or
[src/bakeoff/optimizers](../../src/bakeoff/optimizers). [CONTRIBUTING](../../CONTRIBUTING.md) says how to add one.
"""


# 1. the page about differences ---------------------------------------------------------------------------------------


def differences() -> str:
    """The page as Markdown."""
    groups = list(_groups())
    parts = [INTRO, "\n## Contents\n"]
    for title, names in groups:
        parts.append(f"* {title}: " + ", ".join(f"[{name}](#{_anchor(name)})" for name in names) + "\n")
    learned = optimizers.names()
    parts.append("* Optimizers: " + ", ".join(f"[{name}](#{_anchor(name)})" for name in learned) + "\n")
    for title, names in groups:
        parts.append(f"\n## {title}\n")
        parts += [_operator(name) for name in names]
    parts.append("\n## Optimizers\n\n" + OPTIMIZER_INTRO.format(steps=_optimizer_steps()))
    parts += [_optimizer(name) for name in learned]
    return "".join(parts) + CLOSING


def _groups() -> Iterator[tuple[str, list[str]]]:
    """Operators by what a reader looks for; where a page belongs follows from the page itself."""
    pages = {name: ops.page(name) for name in ops.names()}
    kinds: dict[str, Callable[[Any], bool]] = {
        "Layers with weights": lambda page: hasattr(page, "parameters"),
        "Losses": lambda page: hasattr(page, "LOSS"),
        "Noise in training": lambda page: bool(page.DRAWS),
        "Windows and images": lambda page: page.LAYOUT == "spatial",
        "Activations, sums and shapes": lambda page: True,
    }
    left = dict(pages)
    found: dict[str, list[str]] = {}
    for title, belongs in kinds.items():
        found[title] = [name for name, page in left.items() if belongs(page)]
        left = {name: page for name, page in left.items() if name not in found[title]}
    for title in (
        "Layers with weights",
        "Windows and images",
        "Activations, sums and shapes",
        "Noise in training",
        "Losses",
    ):
        if found[title]:
            yield title, found[title]


def _operator(name: str) -> str:
    page = ops.page(name)
    parts = [f"\n### {name}\n\n{_heading(page)}"]
    parts.append(_traps(page, lambda case: _said(page.CASES[case])))
    parts.append(_costs(page.MUTATIONS, lambda attribute: _operator_costs(page, attribute)))
    tolerance = page.TOLERANCE["float32"]
    parts.append(f"\n**Tolerance** in float32: {'0, bit for bit' if tolerance == 0 else f'{tolerance:.1e}'}.")
    parts.append(f" {len(page.CASES)} cases.\n" if page.CASES else "\n")
    if page.FAULTS:
        rows = (
            f"* {FRAMEWORKS.get(name, name)}: {fault.what} ({fault.size:.0e})\n" for name, fault in page.FAULTS.items()
        )
        parts.append("\n**Less than float64 in float64**\n\n" + "".join(rows))
    if page.GAPS:
        parts.append("\n**Gaps**\n\n" + "".join(_gap(what, gap) for what, gap in page.GAPS.items()))
    return "".join(parts)


def _gap(what: str, gap: Gap) -> str:
    where = ", ".join(FRAMEWORKS[library] for library in gap.libraries.split(", "))
    return f"* {where}: {what}: *{gap.kind}* (“{gap.error}”)\n"


def _optimizer(name: str) -> str:
    page = optimizers.page(name)
    parts = [f"\n### {name}\n\n{_heading(page)}"]
    parts.append(_traps(page, lambda case: _attributes(page.CASES[case]) or "the defaults"))
    parts.append(_costs(page.MUTATIONS, lambda setting: _optimizer_costs(page, setting)))
    noise = _sections(page)[1].get("Noise")
    if noise:
        parts.append(f"\n**Noise.** {' '.join(noise.split())}\n")
    parts.append(f"\n**Weights**, on the same gradients: {page.TOLERANCE['float32']:.1e}.\n")
    return "".join(parts)


def _heading(page: Any) -> str:
    """The first sentence, then shape and formula as they stand in the page, then the laws."""
    summary, sections = _sections(page)
    first = summary.split(": ", 1)[1]
    parts = [first[0].upper() + first[1:] + "\n"]
    block = "\n".join(
        f"{title:8s} {line}" if index == 0 else f"{'':8s} {line}"
        for title in ("Shape", "Formula")
        if title in sections
        for index, line in enumerate(sections[title].splitlines())
    )
    if block:
        parts.append(f"\n```text\n{_trimmed(block)}\n```\n")
    if "Laws" in sections:
        parts.append(f"\n**Laws.** {' '.join(sections['Laws'].split())}.\n".replace("..", "."))
    return "".join(parts)


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


def _sections(page: Any) -> tuple[str, dict[str, str]]:
    """(summary, {title: text}) of a page's docstring: a title stands at the margin, its text is indented."""
    text = inspect.getdoc(page) or ""
    summary, *rest = re.split(r"\n\s*\n", text)
    found: dict[str, str] = {}
    for block in rest:
        for part in re.split(r"\n(?=[A-Z]\w+ {2,})", block):
            title, _, body = part.partition(" ")
            found[title] = textwrap.dedent(" " * (len(title) + 1) + body)
    return " ".join(summary.split()), found


def _traps(page: Any, said: Callable[[str], str]) -> str:
    text = _sections(page)[1].get("Traps")
    if not text:
        return ""
    shown = getattr(page, "SHOWN", {})
    parts = ["\n**Traps**\n\n"]
    for label, trap in labelled(text):
        cases = [f"“{case}” ({said(case)})" for case in shown.get(label, ())]
        name = f"**{FRAMEWORKS.get(label, label)}**: " if label else ""
        pieces = [piece.strip() for piece in _split(trap)]
        if len(pieces) == 1:
            parts.append(f"* {name}{_plain(pieces[0])}\n")
        else:
            parts.append(f"* {name.rstrip(' ')}\n" + "".join(f"  * {_plain(piece)}\n" for piece in pieces))
        if cases:
            parts.append(f"  * *Shown by* {'; '.join(cases)}\n")
    return "".join(parts)


CODE = re.compile(
    r"(?<![`\w])("
    r"[\w.]*[_.]\w+\([^)\s]*\)"  # net.train()
    r"|\w+=[\w.]+(?: // \d+)?"  # padding=k // 2
    r"|[A-Za-z]\w*(?:[_.][A-Za-z]\w*)+"  # nn.Linear, max_value
    r")(?![`\w])"
)


def _plain(text: str) -> str:
    """Text of a docstring as Markdown: what looks like code becomes code, so that * and _ stay what they are."""
    return CODE.sub(r"`\1`", text)


def labelled(text: str) -> list[tuple[str, str]]:
    """Pairs of label and text: labels stand in a column of their own, as wide as the texts below are indented."""
    lines = text.splitlines()
    indents = [len(line) - len(line.lstrip()) for line in lines if line.startswith(" ")]
    width = min(indents, default=0)
    found: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith(" "):
            label, before = found[-1]
            found[-1] = label, f"{before} {line.strip()}".strip()
        elif width and line[width - 1 : width] in (" ", ""):
            found.append((line[:width].strip(), line[width:].strip()))
        else:
            match = None if width else re.match(r"(\S+) {2,}(.*)", line)
            found.append((match[1], match[2]) if match else ("", line.strip()))
    return found


def _split(text: str) -> list[str]:
    """Statements of a trap: parted by semicolons outside of brackets."""
    found, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == ";" and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return found


def _said(case: Case) -> str:
    """A case in words: its inputs, and the attributes that aren't defaults."""
    inputs = " and ".join(" × ".join(str(size) for size in shape) for shape in case.inputs)
    attributes = _attributes(case.attributes)
    return (
        f"input {inputs}"
        + (f", {attributes}" if attributes else "")
        + (", in training" if case.train else "")
        + (", few whole numbers" if case.ties else "")
    )


def _attributes(value: Any) -> str:
    fields = [
        (field.name, getattr(value, field.name))
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != field.default
    ]
    return ", ".join(f"`{name}={found!r}`" for name, found in fields)


# 2. what a wrong value costs: measured in NumPy, in float64 ----------------------------------------------------------


def _costs(mutations: dict[str, Any], worst: Callable[[str], tuple[str, str] | None]) -> str:
    rows = [(attribute, value, worst(attribute)) for attribute, value in mutations.items()]
    rows = [row for row in rows if row[2] is not None]
    if not rows:
        return ""
    lines = [
        "\n**What a wrong value costs**\n",
        "| attribute | wrong value | noticed by the case | difference |",
        "| --- | --- | --- | ---: |",
    ]
    for attribute, value, found in rows:
        assert found is not None
        lines.append(f"| `{attribute}` | `{value!r}` | {found[0]} | {found[1]} |")
    return "\n".join(lines) + "\n"


def _operator_costs(page: Any, attribute: str) -> tuple[str, str] | None:
    """The case that notices a wrong attribute most, and by how much; another shape counts less than a wrong number."""
    found: list[tuple[float, str]] = []
    for name, case in page.CASES.items():
        wrong = page.MUTATIONS[attribute]
        if getattr(case.attributes, attribute) == wrong:
            continue
        right = _answers(page, case, case.attributes)
        try:
            other = _answers(page, case, replace(case.attributes, **{attribute: wrong}))
        except Exception:  # an attribute that this case's shapes don't allow
            continue
        if not all(np.isfinite(array).all() for array in other):
            continue
        same = all(a.shape == b.shape for a, b in zip(right, other, strict=True))
        found.append((max(_relative(a, b) for a, b in zip(right, other, strict=True)) if same else 0.0, name))
    if not found:
        return None
    most, name = max(found, key=lambda pair: pair[0])
    return name, f"{most:.1g}" if most > 0 else "another shape"


def _answers(page: Any, case: Case, attributes: Any) -> list[np.ndarray]:
    """The output of the NumPy reference, the gradients where values tie, and the new state where there is one."""
    from page_cases import as_one, draw_parameters, inputs_of

    inputs = inputs_of(case, "float64")
    if hasattr(page, "LOSS"):
        return [page.truth(Mode(), attributes, *inputs, page.labels_of(case))]
    slots = page.parameters(case.attributes, *case.inputs) if hasattr(page, "parameters") else {}
    wanted = page.parameters(attributes, *case.inputs) if slots else {}
    arrays = {slot: array for slot, array in draw_parameters(slots, "float64").items() if slot in wanted}
    mode = Mode(case.train, lambda shape, keep: (np.random.default_rng(3).random(shape) < keep).astype("float64"))
    with np.errstate(invalid="ignore"):  # a root of a negative number is left out by the caller
        found = [as_one(attributes, page.truth(mode, attributes, *inputs, **arrays))]
    if case.ties:
        dy = np.random.default_rng(3).normal(size=found[0].shape)
        found += page.gradient(attributes, dy, *inputs, **arrays)
    if case.train and hasattr(page, "update"):
        found += [array for _, array in sorted(page.update(mode, attributes, *inputs, **arrays).items())]
    return found


def _relative(right: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(right - other).max() / max(np.abs(right).max(), 1e-300))


def _optimizer_steps() -> int:
    from bakeoff.optimizers._page import STEPS

    return STEPS


def _optimizer_costs(page: Any, setting: str) -> tuple[str, str] | None:
    found = []
    for name, settings in page.CASES.items():
        wrong = replace(settings, **{setting: page.MUTATIONS[setting]})
        if wrong != settings:
            found.append((_relative(_walk(page, settings), _walk(page, wrong)), name))
    most, name = max(found)
    return (name, f"{most:.1g}") if most > 0 else None


def _walk(page: Any, settings: Any) -> np.ndarray:
    """Weights after the steps, on gradients drawn with a fixed seed, at a rate that drops on the way."""
    draw = np.random.default_rng(0)
    w = draw.normal(size=(7, 5))
    slots = page.start(w)
    for step in range(1, _optimizer_steps() + 1):
        w, slots = page.truth(w, draw.normal(size=w.shape), slots, step, 0.1 if step <= 10 else 0.01, settings)
    return w


# 3. the reference ----------------------------------------------------------------------------------------------------


def reference() -> dict[str, str]:
    """{file name: Markdown} of docs/reference/."""
    return {"python.md": _python(), "command-line.md": _command_line(), "errors.md": _errors()}


def _python() -> str:
    import bakeoff

    parts = ["# Python API\n\n" + _code(inspect.getdoc(bakeoff) or "")]
    for name in (name for name in bakeoff.__all__ if not name.startswith("_")):
        parts.append(_described(f"bakeoff.{name}", getattr(bakeoff, name), 2))
    return "\n".join(parts)


def _described(path: str, value: Any, level: int) -> str:
    if inspect.ismodule(value):
        own = [one for _, one in inspect.getmembers(value, inspect.isfunction) if one.__module__ == value.__name__]
        return "\n".join(_described(f"{path}.{one.__name__}", one, level) for one in own)
    parts = [f"{'#' * level} {path}\n", _code(f"{path}{inspect.signature(value)}"), _code(inspect.getdoc(value) or "")]
    if inspect.isclass(value):
        for name, member in vars(value).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                text = inspect.getdoc(member) or ""
                parts.append(f"{'#' * (level + 1)} {path}.{name}\n\n" + _code(text))
    return "\n".join(parts)


def _errors() -> str:
    from bakeoff import errors

    return "# Errors and exit codes\n\n" + _code(inspect.getdoc(errors) or "")


def _command_line() -> str:
    """`--help` of every verb."""
    parts = ["# Command line\n", _code(_help())]
    for verb in re.findall(r"^[ │|]*([a-z]+) {2,}", _help(), re.MULTILINE):
        parts.append(f"## bakeoff {verb}\n\n" + _code(_help(verb)))
    return "\n".join(parts)


def _help(*verb: str) -> str:
    import os
    import subprocess

    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
    command = [sys.executable, "-c", "from bakeoff.cli import main; main()", *verb, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return _trimmed(done.stdout).strip()


def _code(text: str) -> str:
    return f"```text\n{text.strip()}\n```\n"


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def readme() -> str:
    """README.md with its table of extras: their libraries from pyproject.toml, what those are for from `doctor`."""
    from bakeoff.cli.doctor import EXTRAS

    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = []
    for extra, lines in project["optional-dependencies"].items():
        if extra in ("dev", "all"):
            continue
        known = {name: purpose for name, of, purpose in EXTRAS if of == extra}
        names = [name for line in lines if (name := re.split(r"[\[<>=; ]", line)[0]) in known]
        rows.append(f"| `bakeoff[{extra}]` | {', '.join(names)} | {'; '.join(known[name] for name in names)} |")
    text = README.read_text(encoding="utf-8")
    start, end = text.index("| `bakeoff[torch]` |"), text.index("| `bakeoff[all]` |")
    return text[:start] + "\n".join(rows) + "\n" + text[end:]


def security() -> str:
    """SECURITY.md with its table of what every installation brings, from pyproject.toml and `doctor`."""
    from bakeoff.cli.doctor import BASE

    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    purposes = dict(BASE)
    rows = [f"| {line} | {purposes[re.split('[<>=]', line)[0]]} |" for line in project["dependencies"]]
    text = SECURITY.read_text(encoding="utf-8")
    start, end = text.index("| numpy"), text.index("\n\n", text.index("| numpy"))
    return text[:start] + "\n".join(rows) + text[end:]


def main() -> int:
    """Write, or check."""
    schema = json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"
    made = {DIFFERENCES: differences(), README: readme(), SECURITY: security(), SCHEMA: schema}
    if "--check" in sys.argv:
        return int(any(not path.is_file() or path.read_text(encoding="utf-8") != text for path, text in made.items()))
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    print(DIFFERENCES.relative_to(DOCS.parent))
    folder = DOCS / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in reference().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
