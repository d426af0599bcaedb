"""What is written follows no link that others laid: caches, certificates, plots, logs, marks, exports."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bakeoff import bundle, exports, files, models, recipe, system
from bakeoff.bundle import Bundle
from bakeoff.conversion import delivery
from bakeoff.data import cache
from bakeoff.data.made import made_once
from bakeoff.data.sources import url
from bakeoff.errors import BakeoffError
from bakeoff.preprocessing import Signature
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Certificate
from bakeoff.training.options import Options
from bakeoff.training.probe.out_of_fold import _Store
from bakeoff.tuning import api as tuning

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
KEPT = "as it was" * 100


def net() -> Bundle:
    return Bundle(models.build("mnist_mlp", (4, 4), 1, 2, seed=5), Signature((4, 4), 1), ("a", "b"))


def pixels(root: Path, outside: Path) -> None:
    """Room for decoded images was made among the files that the link led to."""
    (root / "pixels").symlink_to(outside)
    cache.make_space(cache.cache_root() / "pixels", 100, 150)


def features(root: Path, outside: Path, lay: Callable[[Path, Path], None] = Path.symlink_to) -> None:
    (root / "embeddings").mkdir()
    lay(root / "embeddings" / "x.bin", outside / "kept")
    with _Store(root / "embeddings" / "x.bin", 4).open() as store:
        store.add([b"\0" * 32], np.zeros((1, 4), np.float16))


def hard(root: Path, outside: Path) -> None:
    features(root, outside, Path.hardlink_to)


def remote(root: Path, outside: Path, name: str = "tree") -> None:
    """What isn't at the URL any more is taken away from its copy: from the folder that the link leads to."""
    import fsspec

    system: Any = fsspec.filesystem("memory")
    system.pipe("/photos/a/1.png", b"x")
    place = root / "remote" / url.hashlib.sha256(b"memory://photos").hexdigest()[:24] / name
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    url._copied(system, "/photos", "memory://photos", None)


def marks(root: Path, outside: Path) -> None:
    remote(root, outside, "versions/a")


def made(root: Path, outside: Path) -> None:
    (root / "made").symlink_to(outside)
    made_once("archive", [outside / "kept"], lambda target: None)


def predictions(root: Path, outside: Path) -> None:
    """Laid after the run began: the folder of predictions leads elsewhere."""
    run = Run(root / "run")
    (root / "run").mkdir()
    (root / "run" / "predictions").symlink_to(outside)
    found = SimpleNamespace(**{name: np.zeros(1) for name in ("logits", "labels", "records")}, similarity=None)
    run.predictions("kept", found, np.array(["a"]))  # type: ignore[arg-type]


def metrics(root: Path, outside: Path) -> None:
    """`cp -al` makes such copies of runs: what the copy logs went into the first one's logs, too."""
    (root / "run").mkdir()
    (root / "run" / "metrics.jsonl").hardlink_to(outside / "kept")
    run = Run(root / "run")
    run.line("metrics.jsonl", {"a": 1})
    run.close()


def study(root: Path, outside: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
    (root / "run").mkdir()
    (outside / "kept").write_bytes(b"")  # an empty database
    (root / "run" / "study.db").hardlink_to(outside / "kept")
    try:
        tuning._Search("x", recipe.load("mnist-cnn"), {}, root / "run", "torch", Options())._study(optuna)
    finally:
        assert (outside / "kept").read_bytes() == b""
        (outside / "kept").write_text(KEPT)


def exported(root: Path, outside: Path) -> None:
    (root / "model.onnx").symlink_to(outside / "kept")
    exports.export(net(), "onnx", root / "model.onnx", force=True)


def bundled(root: Path, outside: Path) -> None:
    (root / "model").symlink_to(outside)
    bundle.write(root / "model", net())
    assert sorted(one.name for one in root.iterdir()) == ["model"]


def certificate(root: Path, outside: Path) -> None:
    request = SimpleNamespace(output=root / "to", source="from", to="bundle")
    (root / "to.report.json").symlink_to(outside / "kept")
    delivery.report(SimpleNamespace(request=request), Certificate((), {}))  # type: ignore[arg-type]
    assert '"first_layer_that_differs"' in (root / "to.report.json").read_text()


def plot(root: Path, outside: Path) -> None:
    from bakeoff.cli import find_rate, main
    from bakeoff.workers.launch import Worker

    (root / "rates.html").symlink_to(outside / "kept")
    (root / "data").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "call", lambda *_, **__: {"rates": [0.1, 0.2], "losses": [1.0, 2.0], "rate": 0.1})
        patch.setattr(find_rate, "page", lambda found: "written")
        words = ("find-rate", root / "data", "--plot", root / "rates.html", "-r", "mnist-cnn", "--json")
        assert main(list(map(str, words))) == 0


ATTACKS = (
    pixels,
    features,
    hard,
    remote,
    marks,
    made,
    predictions,
    metrics,
    study,
    exported,
    bundled,
    certificate,
    plot,
)


@pytest.mark.parametrize("by_handle", [True, False], ids=["here", "where folders have no descriptors"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_is_written_through_a_link(
    attack: Callable[[Path, Path], None], by_handle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "BY_HANDLE", by_handle and system.BY_HANDLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root, outside = tmp_path / "bakeoff", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "kept").write_text(KEPT)
    (outside / "1.png.version").write_text(KEPT)
    with suppress(BakeoffError, OSError):
        attack(root, outside)
    assert {one.name: one.read_text() for one in outside.iterdir()} == {"kept": KEPT, "1.png.version": KEPT}


def test_a_link_to_a_folder_is_followed_where_the_user_names_it_and_not_below(tmp_path: Path) -> None:
    for name in ("real", "elsewhere"):
        (tmp_path / name).mkdir()
    named, below = tmp_path / "named", tmp_path / "real" / "below"
    named.symlink_to("real")
    below.symlink_to(tmp_path / "elsewhere")
    files.write_text(named / "x", "written")
    assert (tmp_path / "real" / "x").read_text() == "written"
    for write in (files.make_folder, lambda path, root: files.write_text(path / "x", "", root)):
        with pytest.raises((BakeoffError, OSError), match="a link, which isn't followed"):
            write(named / "below", named)  # type: ignore[operator]
    files.remove(below)
    assert (tmp_path / "elsewhere").is_dir()


@pytest.mark.parametrize("name", ["pixels", "features/x.npz"])
def test_a_cache_that_holds_a_link_is_not_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "bakeoff" / name).parent.mkdir(parents=True)
    (tmp_path / "bakeoff" / name).symlink_to(tmp_path)
    cache.refused()
    instead = cache.cache_root()
    assert instead.is_dir()
    assert tmp_path not in instead.parents
    assert cache.cache_root() == instead  # and that of every process that is started from here
    (said,) = cache.refused()
    assert f"{name} is a link" in said
    assert cache.refused() == ()


def test_a_cache_of_others_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "bakeoff").mkdir()
    monkeypatch.setattr(cache, "of_another", lambda path: True)
    assert cache.cache_root() != tmp_path / "bakeoff"
    assert "another user's" in cache.refused()[0]


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    old, young, other = (f".model.{digits}.tmp" for digits in ("0123abcd", "0123abce", "0123abcdef"))
    (tmp_path / old).mkdir()
    (tmp_path / old / "weights").write_text("x")
    for name in (young, other, "model", ".bashrc"):
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / old, (0, 0))
    os.utime(tmp_path / other, (0, 0))
    with files.fresh(tmp_path / "model") as made:
        assert sorted(one.name for one in tmp_path.iterdir()) == sorted([young, other, "model", ".bashrc", made.name])
