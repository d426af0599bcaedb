"""Whether a change leaves every output as it was: the verbs on fixed seeds, and a digest of each file that they write.

    python bench/_outputs.py /path/to/python before.json     with the version before
    python bench/_outputs.py .venv/bin/python after.json     with this one, in the same place
    python bench/_outputs.py before.json after.json          what differs

Times, paths of the moment, process numbers and versions are left out of JSON; everything else counts, to the byte.
Zips are read entry by entry, since they hold the time of day. HTML and the
files of a SavedModel, whose order is another each time, are not read: what it predicts is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

# What differs from run to run: seconds and rates, memory, places, versions; "sizes" of pickled programs.
VOLATILE = re.compile(
    r"(^|_)(s|ms|seconds|wall|per_s|peak|bytes|mtime|pid|host|time|at|when|created|began|ended|version|versions)($|_)"
    r"|^(run|path|data|environment|verdict|sentence|speed|memory|timing|rss|ratio|faster|load|certificate|command|seal)$"
    r"|^(measured|engines|compile|cpu|throughput|hardware|sha256|hash|hashes|digest|files|size|shared_object_id|stack_trace|date_saved|logs|output_sha256|sidecar_sha256)$"
)
FRAMEWORKS = ("torch", "tensorflow", "jax")


def main() -> None:
    one, two = sys.argv[1:]
    if one.endswith(".json"):
        sys.exit(compared(json.loads(Path(one).read_text()), json.loads(Path(two).read_text())))
    place = Path(tempfile.gettempdir()) / "bakeoff-outputs"  # one place, since some outputs name where they lie
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    found = {}
    for name, words in verbs():
        done = run(one, words, place)
        found[f"{name} $"] = f"exit {done.returncode}"
        if done.returncode:
            print(name, done.stderr[-600:])
        if "--json" in words:
            lines = not done.stdout.startswith("{\n")
            found[f"{name} stdout"] = (digest_lines if lines else digest_json)(done.stdout.encode())
        print(name, done.returncode, flush=True)
    for path in sorted(place.rglob("*")):
        if path.is_file() and "cache" not in path.parts and "pictures" not in path.parts:
            for entry, value in digests(path):
                found[f"{path.relative_to(place)}{entry}"] = value
    Path(two).write_text(json.dumps(found, indent=1))


def run(python: str, words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    own = {"XDG_CACHE_HOME": str(place / "cache"), "CUDA_VISIBLE_DEVICES": "", "PYTHONHASHSEED": "0"}
    command = [python, "-m", "bakeoff", *words]
    return subprocess.run(command, cwd=place, env={**os.environ, **own}, capture_output=True, text=True, timeout=900)


def verbs() -> list[tuple[str, list[str]]]:
    """Names and words of all commands, in order; later ones use what earlier ones left."""
    made = [("sample", "data sample digits pictures/digits"), ("audit", "data audit pictures/digits --json")]
    recipe = "--recipe mnist-cnn --set phases.0.epochs=2 --seed 3 --threads 1"
    for each in FRAMEWORKS:
        made += [
            (f"train.{each}", f"train pictures/digits {recipe} --framework {each} --run runs/{each} --json"),
            (f"evaluate.{each}", f"evaluate runs/{each} --json"),
            (f"predict.{each}", f"predict runs/{each} pictures/digits/3 --json"),
        ]
    made += [(f"export.{to}", f"export runs/torch --to {to} --output out/{to}{end}") for to, end in EXPORTS]
    made += [(f"predict.{to}", f"predict out/{to}{end} pictures/digits/3 --json") for to, end in EXPORTS]
    probe = "train pictures/digits --phases probe --seed 3 --threads 1 --run runs/probe --json"
    both = "--frameworks torch,tensorflow,jax --seed 3"
    drawn = "--random-weights --check quick"
    made += [
        ("probe", probe),
        ("report", "report runs/probe"),
        ("recipes", "recipes photos --json"),
        ("compare", f"compare pictures/digits --recipe mnist-cnn --set phases.0.epochs=2 {both} --run runs/compare"),
        (
            "convert.to-keras",
            f"convert {SMALL[0]} --random-weights --to keras --output out/c.keras --check quick --json",
        ),
        ("convert.to-torch", f"convert {SMALL[1]} --random-weights --to torch --output out/c.pt --check quick --json"),
        ("verify", "verify out/c.keras.certificate.json --json"),
        ("convert.source", f"convert {SMALL[0]} {drawn} --to keras --source --output out/page"),
        ("models", "models resnet --json"),
    ]
    return [(name, words.split()) for name, words in made]


EXPORTS = (("onnx", ".onnx"), ("keras", ".keras"), ("torch", ".pt2"), ("savedmodel", ""))
SMALL = ("timm/mobilenetv3_small_050", "keras/MobileNetV2")


def digests(path: Path) -> list[tuple[str, str]]:
    """Pairs of entry ("" for a file as a whole) and digest."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return [("", digest_json(data))]
    if path.suffix == ".jsonl":
        return [("", digest_lines(data))]
    if path.suffix in (".html", ".pb") or path.name == ".lock" or path.parent.name == "variables":
        return [("", "there")]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            return [(f"!{one}", digest_entry(one, file.read(one))) for one in sorted(file.namelist())]
    return [("", hashlib.sha256(data).hexdigest())]


def digest_entry(name: str, data: bytes) -> str:
    if name.endswith(".json"):
        return digest_json(data)
    # Programs that torch pickles hold names of the moment; HDF5 holds times: their sizes alone are compared.
    return hashlib.sha256(data).hexdigest() if not name.endswith((".h5", "serialization_id")) else f"{len(data)} bytes"


def digest_json(data: bytes) -> str:
    return json.dumps(stable(json.loads(data)), sort_keys=True)


def digest_lines(data: bytes) -> str:
    return "\n".join(digest_json(line) for line in data.splitlines())


def stable(value: Any) -> Any:
    """Without what differs from run to run."""
    if isinstance(value, dict):
        return {key: stable(item) for key, item in value.items() if not VOLATILE.search(key)}
    return [stable(item) for item in value] if isinstance(value, list) else value


def compared(before: dict[str, str], after: dict[str, str]) -> int:
    names = sorted(set(before) | set(after))
    different = [name for name in names if before.get(name) != after.get(name)]
    for name in different:
        print(f"{name}\n  before {str(before.get(name))[:3000]}\n  after  {str(after.get(name))[:3000]}")
    print(f"{len(names)} outputs, {len(different)} differ")
    return int(bool(different))


if __name__ == "__main__":
    main()
