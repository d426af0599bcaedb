"""The bake-off of this machine: three data sets, three frameworks, training and prediction; writes docs/bakeoff.md.

python bench/the_verdict.py FOLDER DATA [BUDGET]
    FOLDER   keeps the comparisons: what is finished there isn't done again
    DATA     has mnist.npz, cifar10.npz and the folder clothing-small
    BUDGET   of each comparison, as 30m (30m if left out)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "bakeoff.md"
WORKLOADS = {  # title: data, recipe, what more is said
    "MNIST, article 002's CNN": ("mnist.npz", "mnist-cnn", ()),
    "CIFAR-10, article 001's CNN": ("cifar10.npz", "cifar10-cnn", ()),
    "Clothing photos, EfficientNet-lite0 fine-tuned": ("clothing-small", "photos-whole", ()),
}
FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}
CONTESTANTS = "torch-eager,torch-compiled,keras-tensorflow-graph,keras-tensorflow-xla,keras-jax,jax"


def main(folder: Path, data: Path, budget: str) -> None:
    """Compare what isn't compared yet, and write the page."""
    for name, recipe, more in WORKLOADS.values():
        run = folder / name.partition(".")[0]
        if not (run / "compare.json").is_file() and (data / name).exists():
            given = [
                "--frameworks",
                ",".join(FRAMEWORKS),
                "--contestants",
                CONTESTANTS,
                "--predict",
                "--budget",
                budget,
            ]
            command = ["bakeoff", "compare", str(data / name), "-r", recipe, *given, "--run", str(run), *more]
            subprocess.run([sys.executable, "-m", *command], check=True)
    found = {}
    for title, (name, *_) in WORKLOADS.items():
        held = folder / name.partition(".")[0] / "compare.json"
        if held.is_file():
            found[title] = json.loads(held.read_text(encoding="utf-8"))
    PAGE.write_text("\n".join(page(found, budget)) + "\n", encoding="utf-8")


def page(found: dict[str, dict[str, Any]], budget: str) -> Iterator[str]:
    """The lines of docs/bakeoff.md."""
    first = next(iter(found.values()))["environment"]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    yield "<!-- Made by bench/the_verdict.py (`make bakeoff`). -->\n"
    yield "# The bake-off\n"
    yield (
        "Which framework is fastest for these pictures, on this machine? Measured by `bakeoff compare`, as "
        "[its method](explanation/method.md) says: the same net in all, proved; steps and predictions in turns (A B "
        "B A); a difference counts only where it is larger than the machine's own.\n"
    )
    versions = ", ".join(f"{key} {first[key]}" for key in ("torch", "tensorflow", "jax", "keras") if key in first)
    machine = f"{first['system']}, {first['cpus']} cores"
    when = f"{time.strftime('%Y-%m-%d')}, commit {commit.stdout.strip()}, at most {budget} each"
    yield f"{when}. {versions}. {machine}.\n"
    for title, result in found.items():
        yield from _workload(title, result)


def _workload(title: str, result: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{result['verdict']}\n"
    for track, words in (("same_loader", "images in memory"), ("native_best", "own input pipeline")):
        rows = result["tracks"].get(track) or {}
        if rows:
            yield f"| training step, {words} | ms (99 % interval) | images/s | compiling | peak memory |"
            yield "| --- | ---: | ---: | ---: | ---: |"
            for name, row in sorted(rows.items(), key=lambda one: one[1]["step_ms"]):
                low, high = row["step_ms_interval"]
                yield (
                    f"| {name} | {row['step_ms']:.2f} ({low:.2f} to {high:.2f}) | {row['images_per_s']:,.0f} | "
                    f"{row['compile_s']:.1f} s | {row['peak_memory_bytes'] / 1e6:,.0f} MB |"
                )
            yield ""
    if result["predictions"]:
        yield "| prediction, one image at a time | ms (99 % interval) | size | same label |"
        yield "| --- | ---: | ---: | ---: |"
        for name, row in sorted(result["predictions"].items(), key=lambda one: one[1]["ms"]):
            low, high = row["ms_interval"]
            size = f"{row['bytes'] / 1e6:.2f} MB" if row["bytes"] else "-"
            same = f"{100 * row['agreement']:.1f} %" if row.get("agreement") is not None else "-"
            yield f"| {name} | {row['ms']:.2f} ({low:.2f} to {high:.2f}) | {size} | {same} |"
        yield ""
    rows = {name: row for name, row in result["accuracy"].items() if isinstance(row, dict) and "mean" in row}
    if rows:
        yield f"| accuracy, {result['accuracy_split']} | | 95 % interval |"
        yield "| --- | ---: | ---: |"
        for name, row in rows.items():
            low, high = row["interval"]
            yield f"| {FRAMEWORKS[name]} | {100 * row['mean']:.2f} % | {100 * low:.2f} to {100 * high:.2f} |"
        yield ""
    if result["disturbed"]:
        yield f"{result['disturbed']} rounds were disturbed by other programs, also after they were measured again.\n"
    if result["left_out"]:
        yield "Left out: " + "; ".join(_left(one) for one in result["left_out"]) + ".\n"


def _left(one: dict[str, Any]) -> str:
    why = one.get("why") or (f"{one['seconds']:.0f} s" if one.get("seconds") else "")
    return f"{one['what']} ({why})" if why else str(one["what"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "30m")
