"""Archives can do nothing but fill a fresh folder."""

from __future__ import annotations

import time
import zipfile
from contextlib import suppress
from pathlib import Path

import hostile_archives
import numpy as np
import pytest
from image_folders import write_folder

from bakeoff.data import cache_root, read_data
from bakeoff.data.extract import extract
from bakeoff.data.sources import archive
from bakeoff.errors import CorruptError

OUTSIDE = Path("/tmp/evil-bakeoff.png")


def listing(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.lstat().st_size for path in root.rglob("*")}


@pytest.fixture(scope="module")
def hostile() -> list[tuple[str, bytes]]:
    return list(hostile_archives.every())


def test_there_are_sixty(hostile: list[tuple[str, bytes]]) -> None:
    assert len(hostile) >= 60
    assert len({name for name, _ in hostile}) == len(hostile)


@pytest.mark.clock
def test_nothing_is_written_outside_and_nothing_is_kept(hostile: list[tuple[str, bytes]], tmp_path: Path) -> None:
    for name, data in hostile:
        place = tmp_path / "in" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        before = listing(tmp_path)
        started = time.perf_counter()
        with pytest.raises(CorruptError) as caught:
            archive.fetch(place)
        assert len(str(caught.value).splitlines()) <= 3, name
        assert place.name in str(caught.value)
        assert time.perf_counter() - started < 20, name
        assert listing(tmp_path) == before, name
        assert not OUTSIDE.exists(), name
        assert not list((cache_root() / "made").glob(".*")), name  # no unfinished folder stays
        place.unlink()


def test_mutations_are_named_or_whole(tmp_path: Path) -> None:
    for name, data in hostile_archives.mutations(300):
        place, target = tmp_path / name, tmp_path / f"{name}.d"
        place.write_bytes(data)
        target.mkdir()
        with suppress(CorruptError):
            extract(place, target)
        for path in target.rglob("*"):
            assert not path.is_symlink()
            assert path.resolve().is_relative_to(target)
    assert not OUTSIDE.exists()


@pytest.mark.parametrize("kind", ["tar", "gztar", "bztar", "xztar", "zip"])
def test_good_archives_are_read(kind: str, tmp_path: Path) -> None:
    import shutil

    write_folder(tmp_path / "top" / "inner", {"cat": 12, "dog": 12})
    name = shutil.make_archive(str(tmp_path / "photos"), kind, tmp_path, "top")
    data = read_data(name)
    assert data.fingerprint == read_data(tmp_path / "top" / "inner").fingerprint
    assert data.classes == ("cat", "dog")
    assert data.manifest.paths[0] == "cat/000.png"


def test_it_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "d", {"cat": 4, "dog": 4})
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as opened:
        for path in (tmp_path / "d").rglob("*.png"):
            opened.write(path, path.relative_to(tmp_path))
    first = archive.fetch(tmp_path / "d.zip")
    monkeypatch.setattr(archive, "extract", lambda *_: pytest.fail("unpacked again"))
    assert archive.fetch(tmp_path / "d.zip") == first


@pytest.mark.data
def test_the_clothes_are_read_from_their_tar() -> None:
    path = Path(__file__).parents[2] / "../shared/data/clothing-small.tar"
    if not path.exists():
        pytest.skip("clothing-small.tar is not beside the checkout")
    data = read_data(path)
    assert (len(data.train), len(data.validation or ()), len(data.test or ())) == (3068, 341, 372)
    assert np.bincount(data.train.labels).tolist() == [241, 123, 455, 184, 468, 290, 198, 202, 112, 795]
