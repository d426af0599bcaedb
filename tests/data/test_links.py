"""Symbolic links: one rule for folders, lists and predict. Named and not followed, unless that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_folders import write_folder

from bakeoff.data import read_data
from bakeoff.data.audit import audit
from bakeoff.errors import BadFilesError
from bakeoff.evaluation.predict import find_images

SIZE = (40, 40)


def pool(root: Path) -> list[Path]:
    """Twenty images outside of the data."""
    return sorted(write_folder(root / "pool", {"all": 20}, size=SIZE).rglob("*.png"))


def farm(root: Path) -> Path:
    """A folder of links to all images of two classes."""
    for index, file in enumerate(pool(root)):
        place = root / "farm" / "ab"[index % 2] / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)
    return root / "farm"


def linked_folders(root: Path) -> Path:
    """Class folders that are links."""
    (root / "data").mkdir()
    for number, name in enumerate("ab"):
        (root / "data" / name).symlink_to(write_folder(root / "pool", {name: 10}, size=SIZE, seed=number) / name)
    return root / "data"


def looped(root: Path) -> Path:
    """A folder in which a link leads to itself."""
    data = write_folder(root / "data", {"a": 10, "b": 10}, size=SIZE)
    (data / "a" / "again").symlink_to(data / "a")
    (data / "b" / "up").symlink_to(data)
    return data


def listed(root: Path) -> Path:
    """A list of links."""
    rows = [{"path": str(file.relative_to(root)), "label": file.parent.name} for file in farm(root).rglob("*.png")]
    (root / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root / "list.jsonl"


def listed_through(root: Path) -> Path:
    """A list of files in a folder that is a link."""
    (root / "lists").mkdir()
    (root / "lists" / "photos").symlink_to(pool(root)[0].parent)
    rows = [{"path": f"photos/{number:03d}.png", "label": "ab"[number % 2]} for number in range(20)]
    (root / "lists" / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root / "lists" / "list.jsonl"


@pytest.mark.parametrize("make", [farm, linked_folders, looped, listed, listed_through])
def test_links_are_named_or_followed(make: object, tmp_path: Path) -> None:
    data = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(Exception, match=r"symbolic link, which isn't followed(.|\n)*--follow-links"):
        read_data(data)
    found = read_data(data, follow_links=True)
    assert (len(found), found.classes, found.excluded) == (20, ("a", "b"), ())
    assert audit(data, follow_links=True).findings == ()


def test_a_link_that_leads_nowhere_is_a_bad_file(tmp_path: Path) -> None:
    data = farm(tmp_path)
    (data / "a" / "0.png").unlink()
    (data / "a" / "0.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(BadFilesError, match=r"a/0\.png: broken link"):
        read_data(data, follow_links=True)


def test_what_is_named_itself_may_be_a_link(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", {"a": 10, "b": 10}, size=SIZE)
    (tmp_path / "way").symlink_to(data)
    (tmp_path / "one.png").symlink_to(data / "a" / "000.png")
    assert len(read_data(tmp_path / "way")) == 20
    found = find_images([tmp_path / "way", tmp_path / "one.png"])
    assert (len(found.files), found.links) == (21, frozenset())


@pytest.mark.parametrize(("make", "without"), [(farm, 20), (linked_folders, 2), (looped, 2)])
def test_predict_keeps_the_same_rule(make: object, without: int, tmp_path: Path) -> None:
    data = make(tmp_path)  # type: ignore[operator]
    assert len(find_images([data]).links) == without
    found = find_images([data], follow_links=True)
    assert (len(found.files), found.links) == (20, frozenset())
