"""`train`, `predict` and `evaluate` as processes with one cache, while another swaps, renames and removes their images.

What is asked of the originals afterwards is answered as with a fresh cache, bit for bit. A disturbed run says so, or
differs only where its images did.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_swaps import _disturb

sys.path.append(str(Path(__file__).parents[1] / "training"))
from rooms import write_images

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ROUNDING = 1e-5  # of logits in float32, as gates have it
ENDED = (0, 3, 4, 5, 8)  # done, or an error of ours about the data


class Asked:
    """A folder of images, a cache, and the three verbs on them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.photos = folder, write_images(folder / "photos", {"a": 24, "b": 24})
        hour_ago = time.time() - 3600
        self.names = sorted(self.photos.rglob("*.png"))
        for path in self.names:
            os.utime(path, (hour_ago, hour_ago))
        self.kept = {path: path.read_bytes() for path in self.names}
        self.cache = folder / "cache"

    def begin(self, verb: str, run: str = "new") -> subprocess.Popen[str]:
        """A process; `train` writes the run `run`, the others ask the first one, which was made undisturbed."""
        words = {
            "train": [str(self.photos), "-r", "photos-fast", "--framework", "onnxruntime", "--run", run],
            "predict": ["first", str(self.photos)],
            "evaluate": ["first"],
        }
        line = [sys.executable, "-m", "bakeoff", verb, *words[verb], "--json"]
        if verb == "train":
            shutil.rmtree(self.folder / run, ignore_errors=True)
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.cache)}
        both = subprocess.PIPE
        return subprocess.Popen(line, cwd=self.folder, env=environment, text=True, stdout=both, stderr=both)

    def answer(self, verb: str, run: str = "new") -> tuple[object, ...]:
        """What it gives, undisturbed: all bits of the net, or all that is said."""
        process = self.begin(verb, run)
        said, error = process.communicate()
        assert process.returncode == 0, error
        if verb == "train":
            bundle = self.folder / run / "bundle"
            return tuple((path.name, path.read_bytes()) for path in sorted(bundle.iterdir()))
        return (said,)

    def disturbed(self, verb: str, rng: random.Random) -> tuple[subprocess.Popen[str], str, str, set[str]]:
        """The process, what it said, and the images that weren't themselves while it ran."""
        process, touched = self.begin(verb), set[str]()
        time.sleep(rng.random())
        while process.poll() is None:
            victim, other = rng.sample(self.names, 2)
            touched |= {str(path) for path in (victim, victim.with_name("renamed.png"))}
            _disturb(rng.choice(["replace", "rename", "remove", "damage"]), victim, other)
            time.sleep(rng.random() * 0.05)
            victim.with_name("new.tmp").write_bytes(self.kept[victim])
            os.replace(victim.with_name("new.tmp"), victim)
            victim.with_name("renamed.png").unlink(missing_ok=True)
            time.sleep(rng.choice([0.0, 0.0, rng.random() * 0.3]))
        said, error = process.communicate()
        return process, said, error, touched


def _same(row: dict[str, Any], other: dict[str, Any] | None) -> bool:
    """The same answer; where an image is gone the others are in other batches, which rounding tells."""
    return (
        other is not None
        and row["label"] == other["label"]
        and abs(row["probability"] - other["probability"]) < ROUNDING
    )


@pytest.mark.parametrize("rounds", [60])
def test_later_results_are_those_of_a_fresh_cache(rounds: int, tmp_path: Path) -> None:
    asked, rng = Asked(tmp_path), random.Random(5)
    truth = {verb: asked.answer(verb, "first") for verb in ("train", "predict", "evaluate")}
    rows = [json.loads(line) for line in str(truth["predict"][0]).splitlines()]
    stopped = 0
    for trial in range(rounds):
        verb = ("train", "predict", "evaluate")[trial % 3]
        if rng.random() < 0.5:
            shutil.rmtree(asked.cache, ignore_errors=True)
        if rng.random() < 0.3:
            time.sleep(2.1)  # what has settled is known by its times from then on
        process, said, error, touched = asked.disturbed(verb, rng)
        assert "Traceback" not in error, error
        assert "unexpected" not in error, error
        assert process.returncode in ENDED, (process.returncode, error)
        stopped += process.returncode != 0
        if process.returncode:
            assert any(Path(name).name in error + said for name in touched), error  # of predict, in its rows
        elif verb == "evaluate":
            assert said == truth[verb][0], trial
        elif verb == "predict":
            found = {row["path"]: row for row in map(json.loads, said.splitlines())}
            others = [row for row in rows if row["path"] not in touched]
            apart = [(row, found.get(row["path"])) for row in others if not _same(row, found.get(row["path"]))]
            assert not apart, (trial, apart)
        assert {path: path.read_bytes() for path in asked.photos.rglob("*") if path.is_file()} == asked.kept
        assert asked.answer(verb) == truth[verb], (trial, verb)
    assert 0 < stopped < rounds
