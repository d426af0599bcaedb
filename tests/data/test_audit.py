"""The audit names what is wrong, nothing else, and changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faults import bomb, encoded, mutations, photo, plant
from image_folders import write_folder
from PIL import Image, ImageEnhance

import bakeoff
from bakeoff.data import perceptual_hash, read_data, reader
from bakeoff.data.audit import Audit, Judged, Subject, audit, kinds
from bakeoff.data.near_copies import joined, near_pairs
from bakeoff.data.perceptual_hash import PerceptualHashes
from bakeoff.errors import BadFilesError, DataError, UsageError
from bakeoff.protocols import Progress
from bakeoff.registry import load
from bakeoff.reports import audit as render

CLOTHES = Path(__file__).parents[2] / "../shared/data/clothing-small.tar"


def photos(root: Path, counts: dict[str, int], start: int = 0) -> Path:
    """Class folders of JPEGs that look different."""
    seed = start
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (root / name / f"{index:03d}.jpg").write_bytes(encoded(photo(seed), quality=90))
            seed += 1
    return root


def found(result: Audit) -> set[tuple[str, str | None]]:
    return {(finding.kind, finding.path) for finding in result.findings}


def state(root: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_planted_faults_are_found_and_nothing_else(tmp_path: Path) -> None:
    root = photos(tmp_path, {"train/cat": 30, "train/dog": 30, "test/cat": 8, "test/dog": 8})
    planted = plant(root)
    before = state(root)
    result = audit(root)
    assert found(result) == set(planted)
    for finding in result.findings:
        assert planted[finding.kind, str(finding.path)] in finding.detail
    assert set(result.excluded) == {
        path for kind, path in planted if kind in ("empty", "truncated", "not_a_picture", "unreadable", "too_large")
    }
    assert result.num == 76 + 10  # all but .DS_Store
    assert state(root) == before
    with pytest.raises(BadFilesError) as caught:
        read_data(root).verify()
    assert {path for path, _ in caught.value.files} == set(result.excluded)
    assert len(read_data(root, bad_files="exclude").verify()) == result.num - len(result.excluded)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("seed", range(3))
def test_twelve_faults_among_a_thousand_photos(seed: int, tmp_path: Path) -> None:
    if not CLOTHES.exists():
        pytest.skip("clothing-small.tar is not beside the checkout")
    from bakeoff.training.probe.out_of_fold import judge

    source = read_data(CLOTHES)
    root, draw = tmp_path / "data", np.random.default_rng(seed)
    known = {"637a56e4-7fa6-4f75-8859-0f8902461554", "b118ef1e-ee6f-4925-9f7f-e9382dfb7128"}  # faults of their own
    paths = [path for path in source.manifest.paths.tolist() if Path(path).stem not in known]
    chosen = draw.choice(len(paths), 1001, replace=False)
    for row in chosen[:1000]:
        place = root / paths[row]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((Path(str(source.images.table.root)) / paths[row]).read_bytes())
    planted = plant(root)
    others = [path for path in paths if "/shoes/" in path and not (root / path).exists()]
    wrong = root / "train" / "t-shirt" / "shoes.jpg"
    wrong.write_bytes((Path(str(source.images.table.root)) / others[0]).read_bytes())
    assert found(audit(root, judge=judge)) == {*planted, ("suspect_label", "train/t-shirt/shoes.jpg")}


def test_the_order_of_kinds_is_that_of_every_output_so_far() -> None:
    bad = ["unreadable", "truncated", "empty", "not_a_picture", "blank", "too_large", "wrong_suffix", "hidden"]
    more = ["duplicate", "near_duplicate", "duplicate_label", "leak", "imbalance", "class_name", "suspect_label"]
    assert [kind.name for kind in kinds()] == [*bad, *more, "not_used"]
    assert len({kind.place for kind in kinds()}) == len(kinds())


def test_a_kind_has_one_owner_and_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = load("bakeoff.data.audits", "hidden")
    monkeypatch.setattr(hidden, "KINDS", (replace(hidden.KINDS[0], name="leak"),))
    with pytest.raises(ValueError, match="hidden has a kind 'leak' of its own; import it from its owner"):
        kinds()
    monkeypatch.setattr(hidden, "KINDS", ())
    (photos(tmp_path, {"a": 2, "b": 2}) / "a" / ".DS_Store").touch()
    with pytest.raises(ValueError, match="hidden found 'hidden', which is not among its KINDS"):
        audit(tmp_path)


def test_the_function_is_the_equal_of_the_command(tmp_path: Path) -> None:
    root, draw = tmp_path / "d", np.random.default_rng(0)
    for name, light in (("dark", 40), ("light", 200)):
        (root / name).mkdir(parents=True)
        for index in range(150):
            shade = 240 - light if (name, index) == ("dark", 7) else light  # one light image among the dark ones
            pixels = np.clip(draw.normal(shade, 8, (32, 32)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    parts: list[str] = []
    result = bakeoff.audit(
        root, progress=lambda part: parts.append(part) or (lambda *_: None), report=tmp_path / "a.html"
    )
    assert found(result) == {("suspect_label", "dark/7.png")}
    assert set(parts) == {"fetching", "reading", "decoding", "comparing", "features"}
    assert "dark/7.png" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert found(bakeoff.audit(root, suspects=False)) == set()
    said = json.loads(command(root, "--json").communicate()[0])
    assert {key: said[key] for key in result.to_json()} == result.to_json()
    with pytest.raises(UsageError, match="lang is 'fr'; expected one of en, zh"):
        bakeoff.audit(tmp_path / "none", lang="fr")


def test_classes_are_looked_at_where_reading_stops(tmp_path: Path) -> None:
    photos(tmp_path, {"train/cat": 40, "train/Cat ": 3, "train/dog": 30, "test/cat": 5, "test/eel": 5, "train/void": 0})
    with pytest.raises(DataError):
        read_data(tmp_path)
    details = {(finding.kind, finding.detail) for finding in audit(tmp_path).findings}
    assert details == {
        ("class_name", "classes 'Cat ' and 'cat' differ only by case and blanks"),
        ("imbalance", "class 'Cat ' has 3 images, 'cat' has 45"),
        ("imbalance", "class 'Cat ' has no image in test"),
        ("imbalance", "class 'dog' has no image in test"),
        ("imbalance", "class 'eel' has no image in train"),
        ("imbalance", "class 'void' has no readable image"),
    } | ({("imbalance", "class 'eel' has 5 images, 'cat' has 45")} if 5 * 10 <= 45 else set())


def test_small_images_other_files_and_wrong_suffixes(tmp_path: Path) -> None:
    root = photos(tmp_path, {"a": 12, "b": 12})
    (root / "a" / "dot.png").write_bytes(encoded(Image.new("RGB", (1, 1)), "PNG"))
    (root / "a" / "icon.png").write_bytes(encoded(photo(900).resize((11, 11)), "PNG"))
    (root / "a" / "photo.dat").write_bytes(encoded(photo(901)))
    (root / "a" / "notes.txt").write_text("notes")
    (root / "b" / "__MACOSX").mkdir()
    (root / "b" / "link.jpg").symlink_to(root / "a" / "000.jpg")
    result = audit(root)
    assert found(result) == {
        ("not_a_picture", "a/dot.png"),
        ("not_a_picture", "a/icon.png"),
        ("wrong_suffix", "a/photo.dat"),
        ("not_a_picture", "a/notes.txt"),
        ("hidden", "b/__MACOSX"),
        ("unreadable", "b/link.jpg"),
        ("not_used", None),
    }
    assert result.excluded == ("b/link.jpg",)


def changed(image: Image.Image, how: str) -> Image.Image:
    if how == "half":
        return image.resize((image.width // 2, image.height // 2))
    if how == "brighter":
        return ImageEnhance.Brightness(image).enhance(1.15)
    if how == "grey":
        return image.convert("L")
    if how == "contrast":
        return ImageEnhance.Contrast(image).enhance(1.2)
    return image


@pytest.mark.parametrize("how", ["half", "brighter", "grey", "contrast", "saved again"])
def test_near_copies(how: str, tmp_path: Path) -> None:
    root = photos(tmp_path, {"a": 25, "b": 25})
    for index in range(5):
        with Image.open(root / "a" / f"{index:03d}.jpg") as image:
            (root / "a" / f"near{index}.jpg").write_bytes(encoded(changed(image, how), quality=50))
    expected = {("near_duplicate", f"a/near{index}.jpg") for index in range(5)}
    assert found(audit(root)) == expected


def test_flat_and_tiny_images_are_no_near_copies(tmp_path: Path) -> None:
    for index in range(40):
        place = tmp_path / "ab"[index % 2] / f"{index}.png"
        place.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40 + index, 40), (5 * index, 4 * index, 90)).save(place)
    write_folder(tmp_path, {"c": 20}, size=(8, 8))
    assert {kind for kind, _ in found(audit(tmp_path))} <= {"not_a_picture", "blank"}


def test_near_pairs_are_those_of_a_plain_comparison() -> None:
    draw = np.random.default_rng(0)
    grey = draw.integers(0, 256, (60, 32, 32), dtype=np.uint8)
    for row in range(20):
        noise = draw.integers(-3, 4, (32, 32))
        grey[40 + row] = np.clip(grey[row].astype(int) + noise, 0, 255)
    hashes = perceptual_hash.perceptual_hashes_of_arrays(grey).hash
    digests = draw.integers(0, 256, (60, 32), dtype=np.uint8)
    pairs = near_pairs(PerceptualHashes(hashes, grey, np.zeros((60, 8, 8, 2), np.int8), {}), digests)
    assert {tuple(pair) for pair in pairs.tolist()} == {(row, 40 + row) for row in range(20)}
    assert joined(5, np.array([[3, 4], [1, 3]])).tolist() == [0, 1, 2, 1, 1]


def judged(subject: Subject, progress: Progress) -> Judged:
    """Models that are sure of the class in an image's name."""
    names_ = [str(path).split("/")[-1][0] for path in subject.manifest.paths]
    likely = np.array([subject.table.classes.index(name) if name in "ab" else -1 for name in names_])
    shares = np.full((len(likely), 2), 0.5)
    shares[likely >= 0] = np.eye(2)[likely[likely >= 0]]
    return Judged(shares, shares)


def test_suspect_labels(tmp_path: Path) -> None:
    root = photos(tmp_path, {"a": 10, "b": 10})
    (root / "a" / "000.jpg").rename(root / "a" / "b0.jpg")
    (root / "b" / "001.jpg").rename(root / "b" / "b1.jpg")
    assert found(audit(root)) == set()
    result = audit(root, judge=judged)
    assert found(result) == {("suspect_label", "a/b0.jpg")}
    assert result.findings[0].detail == "looks like 'b' (100 %, 'a' 0.0 %)"


def test_arrays_are_audited_too(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    x[7] = x[3]
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(40) % 4, x_test=x[:4], y_test=np.array([0, 1, 2, 0]))
    kinds = found(audit(tmp_path / "a.npz"))
    assert kinds == {
        ("duplicate", "x_train[7]"),
        *(("leak", f"x_test[{row}]") for row in range(4)),
        ("duplicate_label", "x_test[3]"),
        ("imbalance", None),
    }


def real_files() -> list[bytes]:
    """JPEG, progressive JPEG, PNG and WebP files of one photo each."""
    images = [photo(seed, (120, 160)) for seed in range(4)]
    jpegs = [encoded(images[0], quality=85), encoded(images[1], quality=85, progressive=True)]
    return [*jpegs, encoded(images[2], "PNG"), encoded(images[3], "WEBP", quality=80)]


@pytest.mark.clock
def test_mutated_files_are_named_and_never_hang(tmp_path: Path) -> None:
    suffixes = (".jpg", ".jpg", ".png", ".webp")
    for index, data in enumerate(mutations(real_files(), 500)):
        place = tmp_path / "ab"[index % 2] / f"{index:03d}{suffixes[index % 4]}"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
    slowest = 0.0
    for place in sorted(tmp_path.rglob("*.*")):
        started = time.perf_counter()
        perceptual_hash.shrunk(str(place))
        slowest = max(slowest, time.perf_counter() - started)
    assert slowest < 2
    result = audit(tmp_path)
    reasons = {finding.path: finding for finding in result.findings if finding.path in set(result.excluded)}
    assert set(reasons) == set(result.excluded)
    assert 150 < len(result.excluded) < 500
    assert all(len(finding.detail) > 4 and "\n" not in finding.detail for finding in reasons.values())
    data = read_data(tmp_path, bad_files="exclude").verify()
    assert len(data) == result.num - len(result.excluded)
    assert {path for path, _ in data.excluded} == set(result.excluded)
    assert sum(len(batch.labels) for batch in data.train.batches(size=(8, 8))) == len(data.train)


def test_an_interrupted_audit_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.data.hashing._SETTLED_NS", -(10**18))
    root = photos(tmp_path, {"a": 100, "b": 100})

    def interrupting(part: str) -> Progress:
        def count(done: int, total: int) -> None:
            if part == "decoding" and done >= 100:
                raise KeyboardInterrupt

        return count

    with pytest.raises(KeyboardInterrupt):
        audit(root, counter=interrupting)
    looked: list[str] = []
    look = perceptual_hash.shrunk
    monkeypatch.setattr(perceptual_hash, "shrunk", lambda source: (looked.append(str(source)), look(source))[1])
    assert audit(root).num == 200
    assert 0 < len(looked) <= 110


def test_the_page_shows_the_images_and_loads_nothing(tmp_path: Path) -> None:
    root = photos(tmp_path / "d", {"train/c<a>t": 30, "train/dog": 30, "test/c<a>t": 8, "test/dog": 8})
    planted = plant(root)
    for lang in ("en", "zh"):
        html = render.write(audit(root), tmp_path / f"{lang}.html", lang=lang).read_text(encoding="utf-8")
        assert html.count("data:image/jpeg;base64") == 9
        assert "http" not in html.replace("http-equiv", "")
        assert "c<a>t" not in html
        for kind, path in planted:
            assert f'id="{kind}"' in html
            assert Path(path).name in html
    assert set(render.TEXT["en"]) == set(render.TEXT["zh"])


def command(*words: str | Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "bakeoff", "data", "audit", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, text=True, preexec_fn=_heed_interrupts, **pipes)


def _heed_interrupts() -> None:
    """In a shell's background they are ignored, and a child inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_the_command_prints_one_object(tmp_path: Path) -> None:
    root = photos(tmp_path / "d", {"train/cat": 30, "train/dog": 30, "test/cat": 8, "test/dog": 8})
    planted = plant(root)
    child = command(root, "--json", "--no-labels", "--report", tmp_path / "a.html")
    out, err = child.communicate()
    assert child.returncode == 0, err
    result = json.loads(out)
    assert {(row["kind"], row["path"]) for row in result["findings"]} == set(planted)
    assert set(result) >= {"schema", "num", "classes", "findings", "excluded"}
    assert (result["num"], result["classes"]) == (86, ["cat", "dog"])
    assert (tmp_path / "a.html").is_file()
    table = command(root, "--no-labels")
    assert "train/cat/zero.jpg  empty (0 bytes)" in table.communicate()[0]
    missing = command(tmp_path / "none", "--json")
    out, err = missing.communicate()
    assert (missing.returncode, out) == (3, "")
    assert "Traceback" not in err


@pytest.mark.slow
def test_interrupted_by_the_user(tmp_path: Path) -> None:
    root = photos(tmp_path / "d", {"a": 1500, "b": 1500})
    child = command(root, "--no-labels")
    time.sleep(3)
    os.kill(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode in (130, 0)
    assert "Traceback" not in err


def test_reading_names_the_same_files_as_the_audit(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"a": 6, "b": 6})
    (root / "a" / "bomb.png").write_bytes(bomb())
    assert reader.read_data(root, bad_files="exclude").excluded[0][0] == audit(root).excluded[0] == "a/bomb.png"
