"""A heat map points at what decides: a planted patch, of nets with a feature map, and by occlusion without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff import models
from bakeoff.bundle import Bundle, write
from bakeoff.errors import DataError, UsageError
from bakeoff.evaluation.heatmaps import HeatMap, heatmap, written
from bakeoff.evaluation.opening import of_bundle
from bakeoff.graph import Composer, Graph, run
from bakeoff.graph.last_map import halves
from bakeoff.graph.passes import with_head
from bakeoff.model import load
from bakeoff.ops._dimension import Dim
from bakeoff.preprocessing import Signature, normalize
from bakeoff.runtimes import Opened, onnxruntime
from bakeoff.runtimes import _heatmap as maps
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

SIDE, PATCH, COUNT = 56, 16, 20  # a patch covers two cells of 7 x 7 in each direction
COLOURS = {"red": (220, 30, 40), "blue": (30, 60, 220)}


def planted(seed: int, label: str) -> tuple[Image.Image, tuple[int, int]]:
    """Grey noise with a patch of the label's colour, and the patch's top and left."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(60, 200, (14, 14), np.uint8)).resize((SIDE, SIDE)).convert("RGB")
    top, left = (int(n) for n in rng.integers(0, SIDE - PATCH, 2))
    image.paste(COLOURS[label], (left, top, left + PATCH, top + PATCH))
    return image, (top, left)


@pytest.fixture(scope="module")
def probed() -> Opened:
    """A probe on drawn convolutions, fitted to 40 such images: it was told their labels, and never where to look."""
    from sklearn.linear_model import LogisticRegression

    net, signature = Composer((Dim("batch"), SIDE, SIDE, 3)), Signature((SIDE, SIDE), mean=(0.5,), std=(0.5,))
    x = net.add("relu", "relu1", net.add("conv2d", "conv1", net.input, filters=16, kernel=(4, 4), stride=(4, 4)))
    x = net.add("relu", "relu2", net.add("conv2d", "conv2", x, filters=32, kernel=(2, 2), stride=(2, 2)))
    features = net.finish(net.add("global_avg_pool", "pool", x))
    labels = np.arange(40) % 2
    images = np.stack([np.array(planted(100 + n, list(COLOURS)[label])[0]) for n, label in enumerate(labels)])
    fitted = LogisticRegression().fit(onnxruntime.from_graph(features, 1).predict(normalize(images, signature)), labels)
    kernel = np.concatenate([-fitted.coef_, fitted.coef_]).T.astype(np.float32) / 2
    bias = np.array([-1, 1], np.float32) * fitted.intercept_.astype(np.float32) / 2
    graph = with_head(features, 2, weights={"kernel": kernel, "bias": bias})
    return of_bundle(Bundle(graph, signature, tuple(COLOURS)), Path("probe"), 1)


def hits(opened: Opened) -> int:
    """Of 20 images, those whose label is right, and the peak of their heat map on the patch."""
    found = 0
    for seed in range(COUNT):
        label = list(COLOURS)[seed % 2]
        image, (top, left) = planted(seed, label)
        heat = heatmap(opened, image)
        row, column = np.unravel_index(heat.values.argmax(), heat.values.shape)
        half = SIDE / heat.values.shape[0] / 2  # a cell that touches the patch has its middle so near, at most
        down, right = (2 * row + 1) * half - top, (2 * column + 1) * half - left
        found += heat.label == label and all(-half < at < PATCH + half for at in (down, right))
    return found


def test_the_peak_is_on_the_patch_that_decides(probed: Opened) -> None:
    assert probed.head is not None
    assert hits(probed) >= 19


def test_the_peak_of_an_occlusion_is_there_too(probed: Opened) -> None:
    assert hits(replace(probed, head=None)) >= 19


def test_a_map_that_lies_the_other_way_is_noticed(probed: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = maps._without
    monkeypatch.setattr(maps, "_without", lambda *given: plain(*given).T)
    assert hits(probed) < 19


def net_of(build: Callable[[Composer], object], size: tuple[int, int] = (12, 16)) -> Graph:
    net = Composer((Dim("batch"), *size, 3))
    return net.finish(build(net))  # type: ignore[arg-type]


def two_ways(net: Composer) -> object:
    """Mean and maximum of one map, joined: the map is still where all passes."""
    x = net.add("relu", "map", net.add("conv2d", "conv", net.input, filters=4, kernel=(3, 3)))
    pools = net.add("global_avg_pool", "mean", x), net.add("reduce_max", "most", x, axes=(1, 2))
    return net.add("dense", "fc", net.add("concat", "joined", *pools, axis=1), units=3)


def beside(net: Composer) -> object:
    """A second way round the last node with rows and columns: the one before it is where all passes."""
    x = net.add("conv2d", "first", net.input, filters=4, kernel=(3, 3))
    y = net.add("relu", "second", x)
    pools = net.add("global_avg_pool", "one", x), net.add("global_avg_pool", "other", y)
    return net.add("dense", "fc", net.add("add", "sum", *pools), units=3)


def gated(net: Composer) -> object:
    """Behind the pool, maps of one element: they are none."""
    x = net.add("conv2d", "conv", net.input, filters=4, kernel=(3, 3))
    x = net.add("global_avg_pool", "pool", x)
    x = net.add("reshape", "back", x, shape=(Dim("batch"), 1, 1, 4))
    x = net.add("conv2d", "wide", x, filters=8, kernel=(1, 1))
    return net.add("dense", "fc", net.add("flatten", "flat", x), units=3)


def tokens(net: Composer) -> object:
    x = net.add("conv2d", "patches", net.input, filters=8, kernel=(4, 4), stride=(4, 4))
    x = net.add("reshape", "tokens", x, shape=(Dim("batch"), 12, 8))
    return net.add("dense", "fc", net.add("reduce_mean", "mean", x, axes=(1,)), units=3)


def test_what_works_on_tokens_to_its_end_has_no_map() -> None:
    """Behind the patches lies all of the net: each place would cost a pass."""

    def transformer(net: Composer) -> object:
        x = net.add("conv2d", "patches", net.input, filters=8, kernel=(4, 4), stride=(4, 4))
        x = net.add("reshape", "tokens", x, shape=(Dim("batch"), 12, 8))
        return net.add(
            "dense", "fc", net.add("reduce_mean", "mean", net.add("dense", "mlp", x, units=8), axes=(1,)), units=3
        )

    assert halves(net_of(transformer), (12, 16)) is None


@pytest.mark.parametrize(
    ("build", "name"), [(two_ways, "map"), (beside, "first"), (gated, "conv"), (tokens, "patches")]
)
def test_the_last_map_is_where_all_of_the_image_passes(build: Callable[[Composer], object], name: str) -> None:
    graph = net_of(build)
    whole, head = halves(graph, (12, 16)) or pytest.fail("no map")
    assert whole.outputs["map"].node == name
    images = np.random.default_rng(0).normal(size=(3, 12, 16, 3)).astype(np.float32)
    logits, values = onnxruntime.from_graph(whole, 1).values(images)
    plain = onnxruntime.from_graph(graph, 1).predict(images)
    assert np.array_equal(logits, plain)  # another output changes nothing
    np.testing.assert_allclose(run(head, values), plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(onnxruntime.from_graph(head, 1).predict(values), plain, rtol=1e-5, atol=1e-6)


def test_the_drop_is_what_a_cell_adds() -> None:
    """Behind a mean and a dense layer it can be worked out: w . x / cells, of the logit that the label has alone."""
    net = Composer((Dim("batch"), 4, 6, 1))
    x = net.add("conv2d", "conv", net.input, filters=5, kernel=(1, 1))
    graph = net.finish(net.add("dense", "fc", net.add("global_avg_pool", "pool", x), units=3))
    signature = Signature((4, 6), channels=1)
    bundle = Bundle(graph, signature, ("a", "b", "c"), loss="multi_label_cross_entropy")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 1), np.uint8)
    found = maps.drops(of_bundle(bundle, Path("x"), 1), pixels, 1)
    kernel, arrays = graph.parameters["fc.kernel"].array, graph.arrays()
    cells = pixels / 255 * arrays["conv.kernel"][0, 0] + arrays["conv.bias"]
    np.testing.assert_allclose(found.values, (cells @ kernel[:, 1]) / 24, rtol=1e-4, atol=1e-6)


def by(function: Callable[[Array], Array], loss: str, output: str = "logits", count: int = 2) -> Opened:
    names = tuple("abcdef"[:count])
    return Opened(FunctionRuntime("x", function), Signature((14, 14), 1), names, loss, Path("m"), output=output)


def test_log_odds_of_each_kind() -> None:
    wide = np.array([[1.0, -2.0, 0.5]])
    shares = np.exp(wide) / np.exp(wide).sum()
    odds = np.log(shares / (1 - shares))
    single = by(lambda x: x, "softmax_cross_entropy", count=3)
    for place in range(3):
        np.testing.assert_allclose(maps.log_odds(single, wide, place), odds[:, place])
    binary = by(lambda x: x, "binary_cross_entropy")
    assert [maps.log_odds(binary, np.array([[3.0]]), place)[0] for place in (0, 1)] == [-3, 3]
    given = by(lambda x: x, "multi_label_cross_entropy", "probabilities")
    np.testing.assert_allclose(maps.log_odds(given, np.array([[0.9, 1.0]]), 0), [np.log(9)])
    assert np.isfinite(maps.log_odds(given, np.array([[0.9, 1.0]]), 1)).all()


def test_the_model_sees_the_middle_and_the_map_lies_there(tmp_path: Path) -> None:
    graph = models.build("mnist_cnn_small", (24, 24), 3, 2)
    signature = Signature((24, 24), fit="crop", resize_to=30)
    model = load(write(tmp_path / "net", Bundle(graph, signature, ("a", "b"))))
    image = Image.new("RGB", (120, 60), "red")
    heat = model.heatmap(image)
    assert heat.box == (18 / 60, 3 / 30, 42 / 60, 27 / 30)
    assert heat.draw().size == (280, 140)
    assert isinstance(heat, HeatMap)
    assert "log-odds" in heat._repr_html_()
    assert model.heatmap(np.array(image), "b").label == "b"
    with pytest.raises(UsageError, match="the model has no such class"):
        model.heatmap(image, "abc")
    with pytest.raises(UsageError, match="2 images; expected one"):
        model.heatmap([image, image])
    with pytest.raises(DataError, match=r"none\.png: no such file"):
        model.heatmap(tmp_path / "none.png")


def test_images_of_one_name_get_heat_maps_of_their_own(tmp_path: Path) -> None:
    opened = by(lambda images: np.stack([images.mean((1, 2, 3)), -images.mean((1, 2, 3))], 1), "softmax_cross_entropy")
    for name in ("x/a.png", "y/a.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (14, 14), 200).save(tmp_path / name)
    rows = [{"path": str(tmp_path / name), "top": [["a", 0.9]]} for name in ("x/a.png", "y/a.png")]
    done = list(written(opened, [*rows, {"path": "bad.png", "error": "no such file"}], tmp_path / "maps"))
    assert [one.get("heatmap") for one in done] == [
        str(tmp_path / "maps/x/a.png.png"),
        str(tmp_path / "maps/y/a.png.png"),
        None,
    ]
    with Image.open(done[1]["heatmap"]) as drawn:
        assert drawn.size == (280, 280)
