"""Files of ours, damaged and edited in every way: each ends well, or in an error of ours that names the file."""

from __future__ import annotations

import io
import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bakeoff import bundle, recipe
from bakeoff.conversion import certificate
from bakeoff.data.assignment import changes, read_assignment
from bakeoff.data.hashing import FileFacts, HashCache
from bakeoff.data.manifest import Manifest
from bakeoff.data.perceptual_hash import _Cache, looks_of, shrunk
from bakeoff.data.reader import read_table
from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.model import evaluate
from bakeoff.reports import report
from bakeoff.reports.runs import row_of
from bakeoff.rundir import checkpoint
from bakeoff.rundir.finished import accuracies
from bakeoff.rundir.folder import Run
from bakeoff.rundir.result import read_result
from bakeoff.system import address_space
from bakeoff.training.api import Trained
from bakeoff.training.loop.best import listed
from bakeoff.training.options import Options
from bakeoff.training.probe.engines import noted
from bakeoff.training.probe.features import _kept
from bakeoff.training.rescue.resume import job_of, recipe_of
from bakeoff.tuning.api import _Search
from bakeoff.tuning.ranges import OneOf

KEPT = Path(__file__).parents[1] / "compatibility" / "0.1"
FEW, MANY = 15, 800  # inputs a target: some hundreds, and 20,000
MORE = {"search/study.db": 40}  # a database can be wrong in more ways than a text
SLOWEST_S, MOST_BYTES = 20.0, 2 << 30
ODD: tuple[Any, ...] = (None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x" * 5000, "\ud800", [], {})
ODD += ([[1]], {"a": {}}, "../..", 2**63, -0.5, [None], {"accuracy": "no"}, "\0", [float("nan")], "10s")
Way = Callable[[Path], object]


def resumed(run: Path) -> None:
    """What `train --resume` reads before it trains."""
    asked = job_of(run)
    recipe_of(asked)
    if found := checkpoint.load(run):
        found.slots()
    bundle.note(run)
    bundle.read(run)
    row_of(run)
    listed(run)


def frozen(run: Path) -> None:
    kept = run / "split.npz"
    read_assignment(kept)
    ones = np.zeros(1, np.int64)
    changes(kept, Manifest(("a",), np.array(["a"]), ones, ones.astype(np.int8), np.zeros((1, 32), np.uint8), ones))


def finished(run: Path) -> None:
    trained = Trained(run, read_result(run).to_json())
    assert trained.profile is not None
    trained._card()
    accuracies([("a", run)])
    row_of(run)


def cached(path: Path) -> None:
    """Whatever a cache holds, it costs time only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bakeoff.data.cache.cache_root", lambda: path.parents[1])
        patch.setattr("bakeoff.data.cache.hashlib.sha256", lambda _: SimpleNamespace(hexdigest=lambda: path.stem))
        HashCache.open(path)
        _Cache.open(path)


def features_kept(path: Path) -> None:
    """Features of a cache have their shape and are finite, or are computed anew."""
    if (found := _kept(path, np.arange(64, dtype=np.uint8).reshape(2, 32), 5)) is not None:
        assert (found[0].shape, found[0].dtype) == ((2, 5), np.float32)
        assert np.isfinite(found[0]).all()
        engine_noted(path, found[1])


def engine_noted(path: Path, told: Any = None) -> None:
    """What computed features goes into `run.json`, whatever `engine.json` says."""
    run = Run(path.parent)
    if told is not None:
        run.json("told.json", told)
    json.dumps(noted(SimpleNamespace(run=run)))  # type: ignore[arg-type]


def searched(folder: Path, trials: int = 0) -> None:
    """What `tune` reads before it trains."""
    search = _Search("photos", recipe.load("mnist-cnn"), {"seed": OneOf(("1", "2"))}, folder, "torch", Options())
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    assert len(repr(search.run(trials))) < 2000


def searched_on(folder: Path) -> None:
    """One more trial than there are, without its training."""
    facts = SimpleNamespace(validation={"accuracy": 0.6}, test={"accuracy": 0.5}, wall_s=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bakeoff.tuning.api.train", lambda *_, **__: SimpleNamespace(facts=facts))
        patch.setattr("bakeoff.tuning.api.put", lambda *_: None)
        searched(folder, 3)


# what is read, file by file: the folder or file that is handed over, and what reads it
TORCH, STOPPED = "comparison/torch", "interrupted"
TARGETS: dict[str, list[tuple[str, Way]]] = {
    **{
        f"{TORCH}/{name}": [(TORCH, report), (TORCH, finished)]
        for name in ("run.json", "environment.json", "manifest.json", "metrics.jsonl", "epochs.jsonl", "recipe.toml")
    },
    f"{TORCH}/profile.json": [(TORCH, finished)],
    f"{TORCH}/predictions/test.npz": [(TORCH, report), (TORCH, evaluate)],
    f"{TORCH}/bundle/bundle.json": [(TORCH, bundle.read), (TORCH, evaluate)],
    f"{TORCH}/bundle/weights.safetensors": [(TORCH, bundle.read)],
    f"{TORCH}/split.npz": [(TORCH, frozen)],
    "comparison/compare.json": [("comparison", report)],
    f"{STOPPED}/job.json": [(STOPPED, resumed)],
    f"{STOPPED}/begun.json": [(STOPPED, resumed)],
    f"{STOPPED}/epochs.jsonl": [(STOPPED, resumed)],
    f"{STOPPED}/checkpoints/best.json": [(STOPPED, listed)],
    f"{STOPPED}/checkpoints/0*.json": [(STOPPED, resumed)],
    f"{STOPPED}/checkpoints/*.safetensors": [(STOPPED, resumed)],
    "converted.keras.certificate.json": [("converted.keras.certificate.json", certificate.read)],
    "photos.toml": [("photos.toml", recipe.load)],
    "labels.csv": [("labels.csv", read_table)],
    "labels.jsonl": [("labels.jsonl", read_table)],
    "arrays.npz": [("arrays.npz", read_table)],
    "hashes/hashes.npz": [("hashes/hashes.npz", cached)],
    "looks/looks.npz": [("looks/looks.npz", cached)],
    "features/kept.npz": [("features/kept.npz", features_kept)],
    f"{TORCH}/engine.json": [(f"{TORCH}/engine.json", engine_noted)],
    f"{TORCH}/predictions/validation.npz": [(TORCH, report)],
    "search/study.db": [("search", searched_on)],
}


def study(folder: Path) -> None:
    """A search of two trials, as it lies in its folder."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with pytest.raises(CorruptError, match="no trial was finished"):
        searched(folder)
    found = optuna.load_study(study_name="bakeoff", storage=f"sqlite:///{folder / 'study.db'}")
    for value in (0.5, 0.75):
        kinds = {"seed": optuna.distributions.CategoricalDistribution(["1", "2"])}
        found.add_trial(optuna.trial.create_trial(params={"seed": "1"}, distributions=kinds, value=value))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What 0.1 wrote, and what it didn't."""
    place = tmp_path_factory.mktemp("home") / "0.1"
    shutil.copytree(KEPT, place)
    (place / "labels.jsonl").write_text("".join(f'{{"path": "{i}.png", "label": {i % 2}}}\n' for i in range(9)))
    arrays = {"x_train": np.zeros((9, 4, 4), np.uint8), "y_train": np.arange(9) % 3, "classes": np.array(list("abc"))}
    np.savez(place / "arrays.npz", **arrays)  # type: ignore[arg-type]
    facts = FileFacts(bytes(32), 9, 8, 8, True)
    hashes = HashCache(place / "hashes/hashes.npz", {})
    hashes.add("a.png", (9, 1, 1), facts)
    hashes.save()
    looks = _Cache(place / "looks/looks.npz", {})
    looks.add([bytes(32)], looks_of([shrunk(Image.new("L", (64, 64)))]))
    looks.save()
    (place / "features").mkdir()
    told = json.dumps({"engine": "onnxruntime", "verified": {"passed": True}})
    whole = {"features": np.ones((2, 5), np.float32), "sha256": np.arange(64, dtype=np.uint8).reshape(2, 32)}
    np.savez(place / "features/kept.npz", engine=told, **whole)  # type: ignore[arg-type]
    (place / TORCH / "engine.json").write_text(told)
    study(place / "search")
    bundled = json.loads((place / TORCH / "bundle/bundle.json").read_text())
    told = {"schema": 1, "bundle": bundled, "result": json.loads((place / TORCH / "run.json").read_text())}
    (place / STOPPED / "begun.json").write_text(json.dumps(told))
    best = {"epoch": 1, "validation_accuracy": 0.5, "file": "best-0001.safetensors"}
    (place / STOPPED / "checkpoints/best.json").write_text(json.dumps({"schema": 1, "epochs": [best]}))
    (place / TORCH / "profile.json").write_text('{"schema": 1, "wall_s": {"reading": 0.5}}')
    return place


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from places(inner, (*path, key))


def edited(value: Any, draw: random.Random) -> Any:
    """The value with one of its places taken away or replaced."""
    *path, last = draw.choice([place for place in places(value) if place] or [(None,)])
    if last is None:
        return draw.choice(ODD)
    inner = value
    for key in path:
        inner = inner[key]
    if draw.random() < 0.3:
        del inner[last]
    else:
        inner[last] = draw.choice(ODD)
    return value


def arrays_edited(content: bytes, draw: random.Random) -> bytes:
    with np.load(io.BytesIO(content)) as file:
        arrays = dict(file)
    name, change = draw.choice(sorted(arrays)), draw.randrange(7)
    old = arrays[name]
    if change == 0:
        del arrays[name]
    elif change == 1:
        arrays[name] = old.astype("U3") if old.dtype.kind in "iuf" else np.arange(old.size).reshape(old.shape)
    elif change == 2 and old.dtype.kind in "iuf":
        with np.errstate(all="ignore"):
            arrays[name] = np.full(old.shape, draw.choice([-1, 100, np.nan, np.inf, 1e300])).astype(old.dtype)
    elif change == 3 and old.dtype.kind in "iu":
        arrays[name] = np.full(old.shape, draw.choice([-1.0, 1e9, np.nan, np.inf]))
    else:
        flat = old.ravel()
        arrays[name] = draw.choice([old[..., None], flat[:1], flat[:0], np.array(7), np.array(1 + 2j), flat])
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def study_edited(content: bytes, draw: random.Random) -> bytes:
    """A database that is whole: values of another type, or its tables are others."""
    with closing(sqlite3.connect(":memory:")) as base:
        base.deserialize(content)
        base.executescript("PRAGMA foreign_keys = OFF; PRAGMA journal_mode = DELETE")
        names = [row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        table = draw.choice([name for name in names if base.execute(f"SELECT count(*) FROM {name}").fetchone()[0]])
        column = draw.choice([row[1] for row in base.execute(f"PRAGMA table_info({table})")])
        odd = draw.choice(
            ["NULL", "''", "'x'", "-1", "1e308", "9e999", "x'ff00'", "9223372036854775807", "'{\"a\": []}'"]
        )
        line = draw.choice(
            [
                *[f"UPDATE {table} SET {column} = {odd}"] * 6,
                f"DELETE FROM {table}",
                f"DROP TABLE {table}",
                f"ALTER TABLE {table} RENAME COLUMN {column} TO other",
                f"ALTER TABLE {table} RENAME TO other",
                f"DROP TABLE {table}; CREATE TABLE {table} (x)",
                f"DROP TABLE {table}; CREATE VIEW {table} AS SELECT 1 AS {column}",
                f"INSERT INTO {table} SELECT * FROM {table}",
                f"CREATE TRIGGER t AFTER UPDATE ON {table} BEGIN DELETE FROM {table}; END",
            ]
        )
        with suppress(sqlite3.Error):  # what a constraint forbids stays as it was
            base.executescript(line)
        return base.serialize()


def damaged(name: str, content: bytes, draw: random.Random) -> bytes:
    """Bytes turned, cut, put in or doubled; or the text is whole and says something else."""
    kind = draw.randrange(10)
    if kind < 6 and name.endswith(".npz"):
        return arrays_edited(content, draw)
    if kind < 6 and name.endswith(".db"):
        return study_edited(content, draw)
    if kind < 6 and name.endswith((".json", ".jsonl")):
        lines = content.splitlines() if name.endswith("l") else [content]
        at = draw.randrange(len(lines))
        value = edited(json.loads(lines[at]), draw)
        if "checkpoints" in name and isinstance(value, dict):  # whoever edits it may seal it anew
            inner = {key: one for key, one in value.items() if key not in ("schema", "sha256")}
            value["sha256"] = checkpoint._digest(inner)
        lines[at] = json.dumps(value).encode()
        return b"\n".join(lines)
    at, much = draw.randrange(len(content) + 1), draw.choice([b"[", b'{"a":', b"9", b"a.", b"\xff", b"\0", b",", b"-"])
    if kind == 6:
        return content[:at]
    if kind == 7:
        return content[:at] + much * draw.choice([1, 30, 200_000]) + content[at:]
    if kind == 8:
        return content[:at] + content[draw.randrange(len(content) + 1) :]
    turned = bytearray(content)
    for _ in range(draw.randrange(1, 9)):
        turned[draw.randrange(len(turned))] = draw.randrange(256)
    return bytes(turned)


def tried(home: Path, target: str, count: int) -> list[str]:
    """What didn't end as it should."""
    (place,) = sorted(home.glob(target))[-1:]
    content, wrong = place.read_bytes(), []
    try:
        for number in range(count):
            draw = random.Random(f"{target} {number}")
            place.write_bytes(damaged(str(place), content, draw))
            for given, way in TARGETS[target]:
                began = time.monotonic()
                try:
                    with address_space(MOST_BYTES):
                        way(home / given)
                except BakeoffError as error:
                    if place.name not in str(error):
                        wrong.append(f"{number}: {way.__name__} doesn't name it: {str(error)[:200]}")
                except Exception as error:
                    wrong.append(f"{number}: {way.__name__}: {type(error).__name__}: {str(error)[:200]}")
                if time.monotonic() - began > SLOWEST_S:
                    wrong.append(f"{number}: {way.__name__}: {time.monotonic() - began:.0f} s")
    finally:
        place.write_bytes(content)
    return wrong


@pytest.mark.parametrize("target", TARGETS)
def test_some_inputs(target: str, home: Path) -> None:
    assert tried(home, target, MORE.get(target, FEW)) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_twenty_thousand_inputs(target: str, home: Path) -> None:
    assert tried(home, target, MANY) == []
