"""500 seeded mutations of real JPEG, PNG and WebP files, and hostile archives: crashes, hangs, reasons, bytes outside.

python bench/damaged_files.py [COUNT]

The JPEGs are photos of the clothing set as they are; PNGs and WebPs are made of others and of CIFAR-10's images. Each
file is looked at and decoded in a child process, so that a crash is counted and not suffered.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import _common
from PIL import Image

TESTS = _common.ROOT / "tests" / "data"
SUFFIXES = (".jpg", ".png", ".webp", ".png")
LOOK = """
import json, sys, time
from pathlib import Path
from bakeoff.data import perceptual_hash
from bakeoff.errors import DataError
from bakeoff.preprocessing import Signature, prepare
for place in sorted(Path(sys.argv[1]).rglob("*.*")):
    began, said = time.perf_counter(), ""
    perceptual_hash.shrunk(str(place))
    try:
        prepare(place, Signature((64, 64)))
    except DataError as error:
        said = str(error)
    print(json.dumps([place.relative_to(sys.argv[1]).as_posix(), said, time.perf_counter() - began]), flush=True)
"""


def real_files(photos: Path) -> list[bytes]:
    """Of each kind in turn: a photo as it is, a photo as PNG, as WebP, and a CIFAR-10 image as PNG."""
    files = sorted((photos / "train").rglob("*.jpg"))
    found: list[bytes] = []
    with Image.open(_common.data("cifar10/test-cat.jpg")) as sheet:
        small = [sheet.crop((32 * k, 0, 32 * k + 32, 32)) for k in range(25)]
    for number in range(25):
        jpeg, other = files[97 * number], files[97 * number + 31]
        with Image.open(other) as image:
            thumbnail = image.convert("RGB").resize((96, 96))
            found += [jpeg.read_bytes(), saved(thumbnail, "PNG"), saved(image.convert("RGB"), "WEBP")]
        found.append(saved(small[number], "PNG"))
    return found


def saved(image: Image.Image, kind: str) -> bytes:
    stream = BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def files(folder: Path, count: int) -> None:
    from faults import mutations

    root = folder / "mutated"
    for index, data in enumerate(mutations(real_files(_common.clothing(folder / "photos")), count)):
        place = root / "ab"[index // 2 % 2] / f"{index:04d}{SUFFIXES[index % 4]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    done = subprocess.run([sys.executable, "-c", LOOK, str(root)], capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    audited = subprocess.run(
        [sys.executable, "-m", "bakeoff", "data", "audit", str(root), "--no-labels", "--json"],
        capture_output=True,
        text=True,
    )
    found = json.loads(audited.stdout) if audited.returncode == 0 else {"excluded": [], "findings": []}
    named = {finding["path"]: finding["detail"] for finding in found["findings"] if finding["path"]}
    bad = {path for path, reason, _ in rows if reason}
    crashes = count - len(rows) + abs(done.returncode) + abs(audited.returncode)
    _common.say(f"{count} mutated files: {crashes} crashes, wanted 0", crashes == 0)
    slowest = max(seconds for *_, seconds in rows)
    _common.say(f"the slowest took {slowest:.2f} s, wanted < 2", slowest < 2)
    without = [path for path in bad if not named.get(path)]
    same = bad == set(found["excluded"])
    _common.say(
        f"{len(bad)} can't be decoded; {len(without)} of them without a reason in the audit", same and not without
    )
    print("           ", Counter(reason.split("(")[0].strip() for _, reason, _ in rows if reason).most_common())


def archives(folder: Path) -> None:
    import hostile_archives

    from bakeoff.data.extract import extract
    from bakeoff.errors import CorruptError

    refused, outside, number, slowest = 0, 0, 0, 0.0
    evil = Path("/tmp/evil-bakeoff.png")
    for name, data in hostile_archives.every():
        number += 1
        place, target = folder / "in" / name, folder / "out" / "fresh"
        for parent in (place.parent, target):
            parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        began = time.perf_counter()
        try:
            extract(place, target)
        except CorruptError:
            refused += 1
        slowest = max(slowest, time.perf_counter() - began)
        strangers = [
            path for path in folder.rglob("*") if path.is_symlink() or not path.resolve().is_relative_to(folder)
        ]
        strangers += [path for path in (folder / "out").iterdir() if path != target]
        outside += len(strangers) + evil.exists()
        place.unlink()
        subprocess.run(["rm", "-rf", str(target)], check=True)
    _common.say(
        f"{number} hostile archives: {refused} refused, {outside} files outside, {slowest:.1f} s at most",
        refused == number >= 60 and not outside,
    )


def main(count: int) -> None:
    sys.path.insert(0, str(TESTS))
    with tempfile.TemporaryDirectory() as name:
        files(Path(name).resolve(), count)
        archives(Path(name).resolve() / "archives")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    _common.finish()
