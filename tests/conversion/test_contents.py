"""What is no part of an output, and outputs that can't be taken apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.bundle import Bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.conversion import contents
from bakeoff.errors import CorruptError
from bakeoff.graph import Ref
from bakeoff.graph.graph import Penalty
from bakeoff.models import build
from bakeoff.preprocessing import Signature


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    graph = build("mnist_cnn", input_size=(28, 28), channels=1, classes=3)
    return Bundle(graph, Signature(size=(28, 28), channels=1), ("cat", "dog", "owl"))


def test_where_it_was_made_is_no_part_of_a_bundle(bundle: Bundle, tmp_path: Path) -> None:
    made = [replace(bundle, extra={"environment": {"host": host}, "licence": "MIT"}) for host in "ab"]
    found = [contents.of(write_bundle(tmp_path / str(i), one)) for i, one in enumerate(made)]
    assert contents.different(*found) == []


def test_another_file_in_a_bundle(bundle: Bundle, tmp_path: Path) -> None:
    expected = contents.of(write_bundle(tmp_path / "net", bundle))
    (tmp_path / "net" / "more.py").write_text("")
    assert contents.different(contents.of(tmp_path / "net"), expected) == ["more.py: '', expected nothing"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"extra": 3}', '{"extra": {}, "graph": {"nodes": [3]}}'])
def test_a_bundle_of_something_else(text: str, bundle: Bundle, tmp_path: Path) -> None:
    (write_bundle(tmp_path / "net", bundle) / "bundle.json").write_text(text)
    with pytest.raises(CorruptError, match="damaged or edited"):
        contents.of(tmp_path / "net")


def test_a_term_of_the_loss_is_named(bundle: Bundle, tmp_path: Path) -> None:
    terms = Penalty("conv1.kernel", l2=0.1), Penalty(Ref("relu1"), l1=0.2)
    kept = [terms, terms[1:], (terms[0], replace(terms[1], l1=0.3))]
    made = [replace(bundle, graph=replace(bundle.graph, penalties=penalties)) for penalties in kept]
    whole, dropped, changed = (contents.of(write_bundle(tmp_path / str(i), one)) for i, one in enumerate(made))
    assert any("penalty on conv1.kernel" in line for line in contents.different(dropped, whole))
    assert contents.different(changed, whole) == ["penalty on relu1[0].l1: 0.3, expected 0.2"]


def test_pages_line_by_line(tmp_path: Path) -> None:
    for name, rate in (("one", 0.1), ("two", 0.2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(f"import torch\ndrop = torch.nn.Dropout({rate})\n")
    found = contents.different(contents.of(tmp_path / "two" / "model.py"), contents.of(tmp_path / "one" / "model.py"))
    assert found == ["model.py line 2: 'drop = torch.nn.Dropout(0.2)', expected 'drop = torch.nn.Dropout(0.1)'"]


def test_only_the_first_are_listed() -> None:
    listed = contents.listed([json.dumps(number) for number in range(5)])
    assert listed == "0; 1; 2; and 2 more"
    assert contents.listed([]) == "nothing differs"
