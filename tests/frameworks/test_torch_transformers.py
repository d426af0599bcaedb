"""transformers' classifiers of images: a small net of every family, the folders of its own, the way back."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

if True:  # after both are known to be there
    from safetensors.numpy import load_file, save_file

    from bakeoff.errors import CorruptError, DataError, UnsupportedError
    from bakeoff.frameworks.torch.build import build
    from bakeoff.frameworks.torch.capture import capture
    from bakeoff.frameworks.torch.live import LiveTorch
    from bakeoff.preprocessing import Signature
    from bakeoff.zoo import listing
    from bakeoff.zoo.opening import Source, opened, recognise
    from bakeoff.zoo.sources import transformers as source
    from bakeoff.zoo.sources._image_processor import config_of, signature_of

TABLE = json.loads((Path(__file__).parents[2] / "bench" / "transformers.json").read_text(encoding="utf-8"))
FEW = ("beit", "convnext", "deit", "dinov2", "mobilevit", "resnet", "swin", "vit")
CLOSE = 1e-9


def rows(*, refused: bool, few: tuple[str, ...] = FEW) -> list[Any]:
    """A family each; the few of every day, and those that the slow tests have."""
    names = [name for name, row in TABLE.items() if ("refused" in row) == refused]
    return [name if refused or name in few else pytest.param(name, marks=pytest.mark.slow) for name in names]


def test_every_family_has_its_row() -> None:
    """A newer transformers with another family asks for another row."""
    auto = source._library().models.auto.modeling_auto
    families = {row["config"]["model_type"] for row in TABLE.values()}
    assert families == set(auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES)
    assert len(families) - len(rows(refused=True)) >= 38


@pytest.mark.parametrize("name", rows(refused=False))
def test_a_family_is_captured(name: str) -> None:
    torch.manual_seed(0)
    model = source.made(TABLE[name]["config"], 5).double()
    captured = capture(model, input_size=(TABLE[name]["size"],) * 2)
    live, built = LiveTorch(model, captured, "float64"), build(captured.graph, "float64")
    draw = np.random.default_rng(0)
    for count in (2, 3):
        x = draw.normal(size=(count, *captured.size, 3))
        found, expected = built.module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())), live.logits(x)
        assert np.abs(found.detach().numpy() - expected).max() < CLOSE * np.abs(expected).max()
    assert captured.graph.count(trainable=True) == sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", rows(refused=False, few=("vit",)))
def test_a_family_comes_back_as_from_pretrained_loads_it(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    size = (TABLE[name]["size"],) * 2
    source.save(source.made(TABLE[name]["config"], 5), tmp_path / "own", Signature(size, mean=(0.5,), std=(0.5,)), None)
    found = of(tmp_path / "own")
    draw = np.random.default_rng(0)
    trained = {
        path: (array + draw.normal(0, 0.01, array.shape)).astype(array.dtype)
        for path, array in found.graph.arrays().items()
        if found.graph.parameters[path].role == "weight"
    }
    found.adopt({**found.graph.arrays(), **trained})
    found.save(tmp_path / "back")
    auto = source._library().AutoModelForImageClassification
    again, info = auto.from_pretrained(str(tmp_path / "back"), output_loading_info=True)
    assert not any(info.values()), info
    own = found.native.state_dict()
    assert all(torch.equal(tensor, own[key]) for key, tensor in again.state_dict().items())
    back = of(tmp_path / "back").graph.arrays()
    assert all(np.array_equal(back[path], array) for path, array in trained.items())


@pytest.mark.parametrize("name", rows(refused=True))
def test_what_takes_more_than_images_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedError, match=TABLE[name]["refused"]), torch.device("meta"):
        source.made(TABLE[name]["config"], 5)


# folders --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transformers") / "vit"
    torch.manual_seed(0)
    names = {0: "cat", 1: "dog", 2: "newt"}
    net = source.made({**TABLE["vit"]["config"], "id2label": names, "label2id": {v: k for k, v in names.items()}})
    source.save(net, folder, Signature((32, 32), 3, "crop", "bicubic", 36, (0.5,), (0.25,), half="down"), None)
    (folder / "README.md").write_text("---\ntags:\n- vision\nlicense: cc-by-nc-4.0\n---\nA card.\n")
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "vit"))


def edited(folder: Path, name: str, **changes: Any) -> None:
    value = json.loads((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(json.dumps({**value, **changes}), encoding="utf-8")


def of(folder: Path, **more: Any) -> Any:
    return opened(Source(str(folder), "folder", "torch", **more))


def test_a_folder_is_a_source(folder: Path) -> None:
    assert recognise(str(folder)) == ("folder", "torch")
    assert listing.is_name(str(folder))
    found = of(folder)
    assert found.names == ("cat", "dog", "newt")
    assert found.signature == Signature((32, 32), 3, "crop", "bicubic", 36, (0.5,) * 3, (0.25,) * 3, half="down")
    assert [note for note in found.notes if "licence" in note] == ["licence: not for commercial use: cc-by-nc-4.0"]


def test_a_folder_comes_back_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    found = of(folder)
    found.save(tmp_path / "back")
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()
    changed = {path: array + 1 for path, array in found.graph.arrays().items() if array.dtype == np.float32}
    found.adopt(changed)
    found.save(tmp_path / "more")
    own, more = source.state_of(folder), source.state_of(tmp_path / "more")
    assert all(np.array_equal(own[name] + 1, more[name]) for name in own)


def test_parts_and_older_files_are_read(folder: Path, tmp_path: Path) -> None:
    net = source.fill(source.made(source.config_of(folder)), source.weights_of(folder))
    expected = source.state_of(folder)
    parts = Path(shutil.copytree(folder, tmp_path / "parts"))
    (parts / "model.safetensors").unlink()
    net.save_pretrained(str(parts), max_shard_size="30KB")
    assert source.weights_of(parts).name == "model.safetensors.index.json"
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    (older / "model.safetensors").unlink()
    torch.save(net.state_dict(), older / "pytorch_model.bin")
    for place in (parts, older):
        state = source.state_of(place)
        assert all(np.array_equal(state[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("file", "changes", "kind", "said"),
    [
        ("config.json", {"auto_map": {"AutoConfig": "x.Y"}}, UnsupportedError, "config.json names code of its own"),
        (
            "preprocessor_config.json",
            {"auto_map": {}},
            UnsupportedError,
            "preprocessor_config.json names code of its own",
        ),
        ("config.json", {"model_type": "bert"}, UnsupportedError, "bert: transformers .* no classifier of images"),
        ("config.json", {"id2label": {"0": "a", "1": "b"}}, DataError, r"classifier.bias has shape \[3\], .* \[2\]"),
        ("config.json", {"image_size": 48}, DataError, "position_embeddings has shape .* another input size"),
        ("preprocessor_config.json", {"image_processor_type": "Nope"}, DataError, "can't use it"),
    ],
)
def test_a_folder_that_can_not_be_used(folder: Path, file: str, changes: Any, kind: Any, said: str) -> None:
    edited(folder, file, **changes)
    with pytest.raises(kind, match=said):
        of(folder)


def test_a_wrapped_model_of_timm_has_its_classes(tmp_path: Path) -> None:
    """timm_wrapper writes id2label as label_names and num_classes."""
    torch.manual_seed(0)
    names = {0: "cat", 1: "dog", 2: "newt"}
    config = {**TABLE["timm_wrapper"]["config"], "id2label": names, "label2id": {v: k for k, v in names.items()}}
    source.save(source.made(config), tmp_path / "own", Signature((64, 64)), None)
    assert of(tmp_path / "own").names == ("cat", "dog", "newt")
    assert source.made(source.config_of(tmp_path / "own"), 5).config.to_dict()["num_classes"] == 5


def test_weights_that_are_missing(folder: Path) -> None:
    arrays = load_file(str(folder / "model.safetensors"))
    save_file({k: v for k, v in arrays.items() if "classifier" not in k}, str(folder / "model.safetensors"))
    with pytest.raises(DataError, match=r"2 weights are missing, as classifier\.bias: the head was never fine-tuned"):
        of(folder)
    assert of(folder, head=False).names
    save_file({k: v for k, v in arrays.items() if "norm" not in k}, str(folder / "model.safetensors"))
    with pytest.raises(DataError, match="another net's"):
        of(folder, head=False)
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match="no weights"):
        of(folder)


def test_a_list_of_parts_stays_in_its_folder(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = {"weight_map": {"a": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CorruptError, match="doesn't lie beside it"):
        of(folder)


# image processors -----------------------------------------------------------------------------------------------------

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TIMES = {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False}
PROCESSORS = {
    "ViT": ({}, Signature((224, 224), 3, "stretch", "bilinear", None, (0.5,), (0.5,))),
    "ConvNext": (
        {"size": {"shortest_edge": 224}, "resample": 2},
        Signature((224, 224), 3, "crop", "bilinear", 256, (0.5,), (0.5,), half="down"),
    ),
    "Levit": ({}, Signature((224, 224), 3, "crop", "bicubic", 256, *IMAGENET, half="down")),
    "EfficientNet": (
        {"size": {"height": 64, "width": 96}, **TIMES},
        Signature((64, 96), 3, "stretch", "bicubic", None, (0.5,), (0.25,)),
    ),
    "CLIP": (
        {"size": {"shortest_edge": 56}, "crop_size": {"height": 48, "width": 48}, "do_normalize": False},
        Signature((48, 48), 3, "crop", "bicubic", 56, (0.0,), (1.0,), half="down"),
    ),
    "MobileViT": (
        {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
        Signature((64, 64), 3, "crop", "bicubic", 72, (0.0,), (1.0,), channel_order="BGR", half="down"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROCESSORS)
def test_an_image_processor_as_a_signature(name: str) -> None:
    settings, expected = PROCESSORS[name]
    made = getattr(source._library(), f"{name}ImageProcessorPil")(**settings)
    found, notes = signature_of(made)
    assert (found, notes) == (expected, ())
    if expected.channel_order == "RGB":
        back = config_of(found)
        again = getattr(source._library(), f"{back['image_processor_type']}Pil")(**back)
        assert signature_of(again)[0] == found


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("DeiT", {}, r"DeiTImageProcessorPil \(size .*256.* no exact form"),
        ("Perceiver", {"size": {"height": 48, "width": 48}, "crop_size": {"height": 56, "width": 56}}, "no exact form"),
        ("TextNet", {"size": {"shortest_edge": 64}}, "keep their proportions"),
        ("ViT", {"resample": 5}, "hamming"),
    ],
)
def test_what_a_signature_can_not_say_is_said(name: str, settings: Any, said: str) -> None:
    _, notes = signature_of(getattr(source._library(), f"{name}ImageProcessorPil")(**settings))
    assert len(notes) == 1
    assert re.search(said, notes[0])
