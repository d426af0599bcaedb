"""`bakeoff models NAME --summary`: every layer, its output and its numbers; they add up to the net's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from bakeoff import models
from bakeoff.cli._app import build
from bakeoff.graph.summary import summary


def test_the_numbers_add_up() -> None:
    graph = models.build("efficientnet_lite0", (224, 224), 3, 1000)
    found = summary(graph, {"height": 224, "width": 224})
    assert found.trainable == graph.count() == sum(one.trainable for one in found.layers)
    assert found.parameters == sum(array.size for array in graph.arrays().values())
    assert found.fixed == found.parameters - found.trainable > 0
    first, last = found.layers[0], found.layers[-1]
    assert first.inputs == ("input",)
    assert last.shape == (None, 1000)
    assert all(None not in one.shape[1:] for one in found.layers)
    assert [one.shape for one in summary(graph).layers][-1] == (None, 1000)


def test_shared_weights_count_once() -> None:
    from bakeoff.graph import Composer
    from bakeoff.ops._dimension import Dim

    net = Composer((Dim("batch"), 4))
    x = net.add("dense", "a", net.input, units=4)
    graph = net.finish(net.add("dense", "b", x, share="a", units=4))
    found = summary(graph)
    assert [one.parameters for one in found.layers] == [20, 0]
    assert found.parameters == 20


def test_the_command() -> None:
    run = CliRunner()
    words = ["models", "mnist-cnn", "--summary"]
    shown = run.invoke(build(words), words)
    assert shown.exit_code == 0, shown.output
    assert "conv2d" in shown.output
    assert "(N, 28, 28, 4)" in shown.output
    assert "2,190 parameters (0.01 MB in float32): 2,174 trainable, 16 not" in shown.output
    words += ["--classes", "3", "--json"]
    found = json.loads(run.invoke(build(words), words).output)
    assert found["layers"][-1]["shape"] == [None, 3]
    assert found["schema"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["models", "--summary"], "needs one name"),
        (["models", "mnist_cnn", "--classes", "3"], "the other options go with it"),
        (["models", "timm/resnet18", "--summary"], "convert timm/resnet18 --to bundle"),
        (["models", "mnist_cnn", "--summary", "--framework", "foo"], "unknown framework 'foo'"),
        (["models", "nothing_of_that_name", "--summary"], "unknown model"),
    ],
)
def test_what_can_not_be_shown(words: list[str], said: str) -> None:
    done = CliRunner().invoke(build(words), words)
    assert done.exception is not None
    assert said in str(done.exception)


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (["train", "{data}", "--framework", "foo"], "jax, tensorflow, torch, onnxruntime"),
        (
            ["train", "{data}", "--backbone", "foo"],
            "efficientnet_lite0, efficientnet_lite1, efficientnet_lite2; and keras/NAME, timm/",
        ),
        (["models", "--source", "foo"], "bakeoff, keras, timm, torchvision, transformers"),
    ],
)
def test_errors_list_all_that_is_known(words: list[str], known: str, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("L", (8, 8), 20 * number + ord(name) % 7).save(tmp_path / "photos" / name / f"{number}.png")
    line = [word.replace("{data}", str(tmp_path / "photos")) for word in words]
    line += ["--run", str(tmp_path / "run")] if line[0] == "train" else []
    done = CliRunner().invoke(build(line), line)
    assert f"Known: {known}" in str(done.exception)
