"""timm: classifiers, their weights from the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.preprocessing.signature import Signature
from bakeoff.zoo.listing import WeightsFile
from bakeoff.zoo.sources.torchvision import hub_folder

LIBRARY, NEEDS, EXTRA, FRAMEWORK = "timm", ("timm", "torch"), "zoo", "torch"
FILE = "model.safetensors"
HUB = "https://huggingface.co"


def build(
    model: str,
    *,
    tag: str | None = None,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    channels: int = 3,
    arguments: dict[str, Any] | None = None,
) -> Any:
    """An nn.Module with drawn weights."""
    import timm

    model = f"{model}.{tag}" if tag else model  # other weights may have other classes, or another size
    given: dict[str, Any] = dict(arguments or {})
    if classes is not None:
        given["num_classes"] = classes
    if channels != 3:
        given["in_chans"] = channels
    if input_size:
        try:
            return timm.create_model(model, pretrained=False, img_size=input_size, **given)
        except TypeError:  # a net that is free in its size takes no such argument
            pass
    return timm.create_model(model, pretrained=False, **given)


def describe(model: str, weights: str | None = None) -> tuple[Signature, tuple[str, ...] | None]:
    """How timm prepares images for these weights in evaluation, and the class names where they are ImageNet's."""
    from timm.data import resolve_data_config
    from timm.models import get_pretrained_cfg

    name = f"{model}.{weights}" if weights else model
    cfg = get_pretrained_cfg(name)
    signature = signature_of(resolve_data_config(pretrained_cfg=cfg.to_dict())) if cfg else Signature((224, 224))
    return signature, class_names(cfg.num_classes) if cfg else None


def signature_of(config: dict[str, Any]) -> Signature:
    """timm's data config as a signature: its crop_pct gives the side before the cut (floor(size / crop_pct))."""
    channels, height, width = config["input_size"]
    square, percent = config.get("crop_mode", "center") != "squash", float(config.get("crop_pct") or 1.0)
    resize_to = max(int(height / percent), height, width)
    return Signature(
        size=(height, width),
        channels=channels,
        fit="crop" if square else "stretch",
        resize=config.get("interpolation", "bicubic"),
        resize_to=resize_to if square else None,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def class_names(count: int) -> tuple[str, ...] | None:
    """timm's own names for ImageNet's labels; None for other numbers of classes."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": count, "pretrained_cfg": {}}) if count != 1000 else "imagenet-1k"
    if not subset:
        return None
    info = ImageNetInfo(subset)
    return tuple(info.index_to_description(index) for index in range(count))


def cache_path(weights: WeightsFile) -> Path:
    """The hub's cache ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub), the newest snapshot; or torch.hub's."""
    if weights.repo is None:
        return hub_folder() / weights.file
    folder = hub_cache() / f"models--{weights.repo.replace('/', '--')}"
    ref = folder / "refs" / "main"
    revision = ref.read_text(encoding="utf-8").strip() if ref.is_file() else ""
    if not revision or not (folder / "snapshots" / revision / weights.file).is_file():
        held = sorted(folder.glob(f"snapshots/*/{weights.file}"), key=lambda path: path.stat().st_mtime)
        revision = held[-1].parent.name if held else revision or "main"
    return folder / "snapshots" / revision / weights.file


def hub_cache() -> Path:
    """Where the Hugging Face hub keeps its files; the rules of huggingface_hub/constants.py."""
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", os.path.join(base, "huggingface"))
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    return Path(given).expanduser()


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """The catalogue."""
    import timm
    import torch
    from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg

    for model in timm.list_models():
        default = get_pretrained_cfg(model)
        known = get_arch_pretrained_cfgs(model)
        with torch.device("meta"):
            try:
                net = timm.create_model(model, pretrained=False)
                parameters: int | None = sum(p.numel() for p in net.parameters())
            except Exception as error:
                print(f"{model}: {type(error).__name__}: {str(error)[:100]}", flush=True)
                parameters = None
        channels, height, width = default.input_size if default else (3, 224, 224)
        given = [(name, cfg) for name, cfg in known.items() if cfg.has_weights]
        given.sort(key=lambda pair: pair[1].tag != (default.tag if default else ""))
        yield (
            model,
            {
                "parameters": parameters,
                "input_size": [height, width, channels],
                "classes": default.num_classes if default else None,
                "fixed": bool(default and default.fixed_input_size),
                "weights": [_row(cfg) for _, cfg in given],
            },
        )


def _row(cfg: Any) -> dict[str, Any]:
    if cfg.hf_hub_id:
        file = cfg.hf_hub_filename or FILE
        repo = cfg.hf_hub_id if cfg.hf_hub_id != "timm/" else f"timm/{cfg.architecture}.{cfg.tag}"
        address = f"{HUB}/{repo}/resolve/main/{file}"
        return {"name": cfg.tag, "file": file, "address": address, "licence": cfg.license, "repo": repo}
    file = str(cfg.url).rsplit("/", 1)[-1]
    return {"name": cfg.tag, "file": file, "address": cfg.url, "licence": cfg.license}
