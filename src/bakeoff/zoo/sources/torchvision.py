"""torchvision.models: classifiers, their weights from download.pytorch.org."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.preprocessing.signature import Signature
from bakeoff.zoo.listing import WeightsFile

LIBRARY, NEEDS, EXTRA, FRAMEWORK = "torchvision", ("torchvision", "torch"), "zoo", "torch"
LICENCE = "not stated for the weights (library: BSD-3-Clause; trained on ImageNet)"
SWAG = "CC-BY-NC-4.0 (SWAG)"
FIXED = ("vit_", "maxvit")  # a table of positions, or windows that must fit


def build(
    model: str,
    *,
    tag: str | None = None,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    channels: int = 3,
    arguments: dict[str, Any] | None = None,
) -> Any:
    """An nn.Module with drawn weights; auxiliary heads as the library builds it with pretrained weights."""
    from torchvision import models

    given: dict[str, Any] = dict(arguments or {})
    if classes is not None:
        given["num_classes"] = classes
    if model.startswith("vit_") and (input_size or tag):
        given["image_size"] = input_size[0] if input_size else describe(model, tag)[0].size[0]
    if input_size and model.startswith("maxvit"):
        given["input_size"] = input_size
    if model in ("googlenet", "inception_v3"):
        given |= {"init_weights": False, "aux_logits": True, "transform_input": True}
    return models.get_model(model, weights=None, **given)


def rename(name: str) -> str:
    """DenseNet's files have older names than its module: `denselayer1.norm.1.weight` is `denselayer1.norm1.weight`."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", name)


def describe(model: str, weights: str | None = None) -> tuple[Signature, tuple[str, ...] | None]:
    """How the library prepares images for these weights (the default ones without a name), and the class names."""
    from torchvision import models

    known = models.get_model_weights(model)
    chosen = known[weights] if weights in known.__members__ else known.DEFAULT
    return signature_of(chosen.transforms()), tuple(chosen.meta["categories"])


def signature_of(transforms: Any) -> Signature:
    """torchvision's ImageClassification preset as a signature."""
    size, resize = transforms.crop_size[0], transforms.resize_size[0]
    return Signature(
        size=(size, size),
        channels=3,
        fit="crop",
        resize=str(transforms.interpolation.value),  # type: ignore[arg-type]
        resize_to=resize if resize >= size else None,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )


def cache_path(weights: WeightsFile) -> Path:
    """torch.hub's folder: $TORCH_HOME/hub/checkpoints, else under $XDG_CACHE_HOME, else ~/.cache."""
    return hub_folder() / weights.file


def hub_folder() -> Path:
    """Where torch.hub keeps checkpoints; the rules of torch/hub.py."""
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(base, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """The catalogue."""
    from torchvision import models

    for model in models.list_models(module=models):
        known = models.get_model_weights(model)
        default = known.DEFAULT
        size = default.transforms().crop_size[0]
        ordered = [default, *(one for one in known if one is not default)]
        yield (
            model,
            {
                "parameters": default.meta["num_params"],
                "input_size": [size, size, 3],
                "classes": len(default.meta["categories"]),
                "fixed": model.startswith(FIXED),
                "weights": [_row(one) for one in ordered],
            },
        )


def _row(weights: Any) -> dict[str, Any]:
    file = weights.url.rsplit("/", 1)[-1]
    digits = re.search(r"-([0-9a-f]{8,})\.pth$", file)  # torch.hub: the first digits of the file's SHA-256
    return {
        "name": weights.name,
        "file": file,
        "address": weights.url,
        "licence": SWAG if "license" in weights.meta else LICENCE,
        "sha256": digits[1] if digits else None,
    }
