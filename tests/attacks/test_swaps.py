"""Images that are swapped, renamed and removed in use: what is decoded is what was hashed, or it is named."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bakeoff.data import read_data
from bakeoff.data.audit import audit
from bakeoff.data.sources import archive
from bakeoff.errors import BakeoffError, DataError
from bakeoff.preprocessing import Signature
from bakeoff.training.probe.features import features

sys.path.append(str(Path(__file__).parents[1] / "training"))
from rooms import backbone, context, recipe, write_images

PROBE = recipe('strategy = "probe"', 'backbone = "small"')
GREY = Signature((4, 4), channels=1)
USES: dict[str, Callable[[Any], Any]] = {
    "batches": lambda data: list(data.train.batches(shuffle=False)),
    "crops": lambda data: list(data.train.batches(signature=GREY, augment="standard")),
    "pixels": lambda data: data.pixels(GREY),
    "verify": lambda data: data.verify(GREY),
}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of an hour ago, so that the cache may know them by their times."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("bakeoff.data.hashing._SETTLED_NS", 0)
    return write_images(tmp_path / "photos", {"a": 12, "b": 12})


@pytest.mark.parametrize("use", USES)
def test_what_is_decoded_is_what_was_hashed(use: str, photos: Path) -> None:
    data = read_data(photos, seed=1)
    victim = photos / str(data.manifest.paths[data.train.indices[0]])
    other = photos / str(data.manifest.paths[data.train.indices[-1]])
    kept = victim.read_bytes()
    victim.write_bytes(other.read_bytes())
    with pytest.raises(BakeoffError, match=f"{victim.name}: changed since it was first read"):
        USES[use](data)
    victim.write_bytes(kept)
    assert read_data(photos, seed=1).fingerprint == data.fingerprint
    USES[use](data)


def test_a_folder_that_is_another_for_a_moment(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files' own times say nothing: they were never touched."""
    true = {path: row.tobytes() for path, row in zip(*_known(photos), strict=True)}
    shutil.rmtree(photos.parent / "cache")
    other, away, opened = photos.parent / "other", photos.parent / "away", os.open
    shutil.copytree(photos / "a", other / "b"), shutil.copytree(photos / "b", other / "a")

    def swapped(path: Any, *more: Any, **named: Any) -> int:
        if not str(path).startswith(str(photos)):
            return opened(path, *more, **named)
        photos.rename(away), other.rename(photos)
        try:
            return opened(path, *more, **named)
        finally:
            photos.rename(other), away.rename(photos)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", swapped)
        read_data(photos, workers=1)
    assert {path: row.tobytes() for path, row in zip(*_known(photos), strict=True)} == true


def _known(photos: Path) -> tuple[list[str], Any]:
    data = read_data(photos)
    return data.manifest.paths.tolist(), data.manifest.sha256


def test_an_archive_that_changes_while_it_is_unpacked_is_not_kept(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = Path(shutil.make_archive(str(photos), "zip", photos))
    whole, extract = packed.read_bytes(), archive.extract

    def grown(*given: Any) -> int:
        packed.write_bytes(whole + b"more")
        return extract(*given)

    with monkeypatch.context() as patched:
        patched.setattr(archive, "extract", grown)
        with pytest.raises(DataError, match="changed while it was read"):
            read_data(packed)
    packed.write_bytes(whole)
    assert read_data(packed).fingerprint == read_data(photos).fingerprint


def _work(photos: Path, run: Path) -> dict[bytes, bytes]:
    """Features by SHA-256, as the probe has them, and what the audit found under the name b""."""
    found = audit(photos, workers=1)
    data = read_data(photos, seed=1, workers=1)
    rows, _ = features(context(data, PROBE, run, graph=backbone()), backbone())
    named = {sha.tobytes(): row.tobytes() for sha, row in zip(data.manifest.sha256, rows, strict=True)}
    return {**named, b"": repr([(one.kind, one.path, one.detail) for one in found.findings]).encode()}


def test_two_hundred_disturbances_poison_nothing(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the n-th opening of a file a random one is replaced, renamed or removed, and brought back at the end."""
    rng, names, said = random.Random(7), sorted(path for path in photos.rglob("*.png")), []
    kept = {path: path.read_bytes() for path in names}
    truth = _work(photos, photos.parent / "run")
    for trial in range(200):
        if rng.random() < 0.8:
            shutil.rmtree(photos.parent / "cache")
        victim, other = rng.sample(names, 2)
        way = partial(_disturb, rng.choice(["replace", "rename", "remove", "damage"]), victim, other)
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", partial(_opened, photos, os.open, [rng.randrange(1, 100)], way))
            try:
                found = _work(photos, photos.parent / f"run{trial}")
            except BakeoffError as error:
                found = {}
                said.append((victim.name, str(error)))
        assert all(truth.get(sha, row) == row for sha, row in found.items() if sha), trial
        victim.with_name("renamed.png").unlink(missing_ok=True)
        for path in (victim, other):
            path.write_bytes(kept[path])
        assert _work(photos, photos.parent / f"again{trial}") == truth, trial
    assert len(said) > 30  # the others read what was there then, whole
    assert all(name in text or "renamed.png" in text for name, text in said)


CHILD = """
import sys
from pathlib import Path
from bakeoff.errors import BakeoffError
sys.path[:0] = [{here!r}]
from test_swaps import _work
try:
    _work(Path({photos!r}), Path({run!r}))
except BakeoffError as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [40])
def test_processes_beside_one_that_disturbs_poison_nothing(rounds: int, photos: Path) -> None:
    """As training and audits run: processes with one cache, and images that change at any moment."""
    rng, names, ended = random.Random(11), sorted(path for path in photos.rglob("*.png")), []
    kept = {path: path.read_bytes() for path in names}
    truth = _work(photos, photos.parent / "run")
    shutil.rmtree(photos.parent / "cache")
    audits = [sys.executable, "-m", "bakeoff", "data", "audit", str(photos), "--no-labels"]
    for trial in range(rounds):
        code = CHILD.format(here=str(Path(__file__).parent), photos=str(photos), run=str(photos.parent / f"run{trial}"))
        calls = [[sys.executable, "-c", code], audits][: rng.choice([1, 2, 2])]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        processes = [subprocess.Popen(call, **pipes) for call in calls]
        while any(one.poll() is None for one in processes):
            victim, other = rng.sample(names, 2)
            _disturb(rng.choice(["replace", "rename", "remove", "damage"]), victim, other)
            time.sleep(rng.random() * 0.05)
            for path in (victim, other):
                path.with_name("new.tmp").write_bytes(kept[path])
                os.replace(path.with_name("new.tmp"), path)
            victim.with_name("renamed.png").unlink(missing_ok=True)
        ended += [(one.returncode, one.communicate()[0]) for one in processes]
        if rng.random() < 0.5:
            time.sleep(2.1)  # what has settled is known by its times from then on
        assert _work(photos, photos.parent / f"again{trial}") == truth, trial
    assert not [said for _, said in ended if "Traceback" in said or "unexpected" in said]
    assert {code for code, _ in ended} > {0}  # some were stopped, and some weren't


def _opened(
    photos: Path,
    opened: Callable[..., int],
    left: list[int],
    way: Callable[[], None],
    path: Any,
    *more: Any,
    **named: Any,
) -> int:
    if str(path).startswith(str(photos)):
        left[0] -= 1
        if left[0] == 0:
            way()
    return opened(path, *more, **named)


def _disturb(way: str, victim: Path, other: Path) -> None:
    if way == "replace":
        shutil.copyfile(other, victim.with_name("new.tmp"))
        os.replace(victim.with_name("new.tmp"), victim)
    elif way == "rename":
        victim.rename(victim.with_name("renamed.png"))
    elif way == "remove":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[: len(victim.read_bytes()) // 2])
