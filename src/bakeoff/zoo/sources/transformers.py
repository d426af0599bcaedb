"""transformers: classifiers of images, by their names on the Hugging Face hub or as the folders that it writes.

    config.json                  the architecture, and the names of the classes (id2label)
    model.safetensors            the weights; also in parts (model.safetensors.index.json), or pytorch_model.bin
    preprocessor_config.json     how images are prepared
    README.md                    the model card, which states the licence

Files are read by Bakeoff's own readers: nothing that a folder holds is imported or executed.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

from bakeoff import checkpoints
from bakeoff.errors import CorruptError, DataError, UnsupportedError
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Array
from bakeoff.zoo.listing import WeightsFile
from bakeoff.zoo.matching import COUNTERS
from bakeoff.zoo.resolve import MIRROR, forbidden
from bakeoff.zoo.sources import _image_processor
from bakeoff.zoo.sources.timm import HUB, hub_cache

LIBRARY, NEEDS, EXTRA, FRAMEWORK = "transformers", ("transformers", "torch", "torchvision"), "transformers", "torch"
OPEN = True  # the hub has more models than any list
CONFIG, PROCESSOR, CARD = "config.json", "preprocessor_config.json", "README.md"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
WANTED = ((CONFIG, PROCESSOR, CARD, "model*.safetensors", WEIGHTS[1]), ("pytorch_model*.bin", WEIGHTS[3]))
OTHERS = {"input_ids", "pixel_attention_mask", "spatial_shapes"}  # what a model asks for that takes more than images


def accepts(path: Path) -> bool:
    """Whether a folder is one that save_pretrained wrote."""
    try:
        return (path / CONFIG).is_file() and bool(_json(path / CONFIG).get("model_type"))
    except CorruptError:  # nothing of ours, or damaged: where it is asked for by that name, it is said
        return False


# files ----------------------------------------------------------------------------------------------------------------


def place(
    model: str, revision: str | None = None, *, mirror: str | os.PathLike[str] | None = None, offline: bool = False
) -> Path:
    """The folder of a model: a folder of that name > a mirror's > the hub's cache > the hub.

    Raises:
        DataError: it is nowhere that may be asked.
    """
    mirror, offline = mirror or os.environ.get(MIRROR), forbidden(offline)
    near = [Path(model), *([Path(mirror) / model] if mirror else [])]
    found = next((path for path in near if (path / CONFIG).is_file()), None)
    if found is not None:
        return found
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    import huggingface_hub

    why = "it has no weights"
    for local, patterns in product((True,) if offline else (True, False), WANTED):
        given = {"revision": revision, "allow_patterns": list(patterns), "local_files_only": local}
        try:
            folder = Path(huggingface_hub.snapshot_download(model, **given))
        except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
            why = _first(error)
            continue
        if (folder / CONFIG).is_file() and any((folder / name).is_file() for name in WEIGHTS):
            return folder
    why = "the network is forbidden (--offline)" if offline else why
    raise DataError(
        f"transformers/{model}: not on this machine, and {why}\nGet {HUB}/{model} as a folder, and give that "
        f"(or put it under {model} into a folder given by --mirror)."
    )


def weights_of(folder: Path) -> Path:
    """The file with the weights.

    Raises:
        DataError: there is none.
    """
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise DataError(f"{folder}: no weights. Expected {CONFIG} and {WEIGHTS[0]}, as save_pretrained writes them.")
    return found


def parts(path: Path) -> list[Path]:
    """A file of weights, with the parts that it lists, and what else decides a model, in the same folder."""
    files = [path]
    if path.name.endswith(".index.json"):
        names = sorted(set(map(str, dict(_json(path).get("weight_map") or {}).values())))
        if strange := [name for name in names if Path(name).name != name or not (path.parent / name).is_file()]:
            raise CorruptError(f"{path}: it lists {strange[0]!r}, which doesn't lie beside it. Get the folder anew.")
        files += [path.parent / name for name in names]
    return files + [path.parent / name for name in (CONFIG, PROCESSOR) if (path.parent / name).is_file()]


def weights(model: str, revision: str | None, folder: Path) -> WeightsFile:
    """Where they are from, and their licence as the model card states it."""
    file, name = weights_of(folder).name, revision or "main"
    return WeightsFile(name, file, f"{HUB}/{model}/resolve/{name}/{file}", licence(folder), model)


def licence(folder: Path) -> str | None:
    """What the head of the model card says."""
    text = (folder / CARD).read_text(encoding="utf-8", errors="replace") if (folder / CARD).is_file() else ""
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    found = dict(re.findall(r"^(license|license_name):\s*[\"']?([^\s\"']+)", head, re.M))
    return found.get("license_name") or found.get("license")


# nets -----------------------------------------------------------------------------------------------------------------


def build(
    model: str,
    *,
    tag: str | None = None,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    channels: int = 3,
    arguments: dict[str, Any] | None = None,
) -> Any:
    """An nn.Module with drawn weights; `model` is a folder, of which config.json alone is read."""
    return made({**config_of(Path(model)), **(arguments or {})}, classes)


def config_of(folder: Path) -> dict[str, Any]:
    """config.json.

    Raises:
        UnsupportedError: it names code of its own.
    """
    for name in (CONFIG, PROCESSOR):
        if "auto_map" in _json(folder / name):
            raise UnsupportedError(
                f"{folder}: {name} names code of its own (auto_map), which is never run here.\n"
                "Models of transformers' own are read; others go as a live module: bakeoff.convert(model, ...)."
            )
    found = _json(folder / CONFIG)
    names = found.get("label_names")
    if found.get("model_type") == "timm_wrapper" and isinstance(names, list):  # which is what it writes for id2label
        numbered = {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
        found = {key: value for key, value in found.items() if key not in ("label_names", "num_classes")} | numbered
    return found


def made(config: Mapping[str, Any], classes: int | None = None) -> Any:
    """The net of a config.json, with drawn weights.

    Raises:
        UnsupportedError: it doesn't classify images.
    """
    transformers = _library()
    import torch

    kind = str(config.get("model_type"))
    known = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    if kind not in known:
        raise UnsupportedError(
            f"{kind}: transformers {transformers.__version__} has no classifier of images of this type."
        )
    if classes not in (None, len(config.get("id2label") or ())):
        numbered = {index: f"LABEL_{index}" for index in range(classes)}
        config = {**config, "id2label": numbered, "label2id": {name: index for index, name in numbered.items()}}
    try:
        rest = {key: value for key, value in config.items() if key not in ("model_type", "dtype", "torch_dtype")}
        chosen = transformers.AutoConfig.for_model(kind, **rest)
        if not chosen.architectures and isinstance(known[kind], tuple):
            chosen.architectures = [known[kind][0]]
        net = transformers.AutoModelForImageClassification.from_config(chosen, dtype=torch.float32)
    except (ImportError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnsupportedError(f"{kind}: transformers can't build it: {_first(error)}") from None
    if chosen.problem_type == "regression" or (chosen.num_labels == 1 and not chosen.problem_type):
        raise UnsupportedError(f"{kind}: it gives a number (a regression), not the logits of classes.")
    asks = OTHERS.intersection(inspect.signature(net.forward).parameters)
    if asks:
        raise UnsupportedError(f"{kind}: it takes {', '.join(sorted(asks))}; a classifier takes images alone.")
    return net.eval()


def fill(net: Any, path: Path, *, head: bool = True) -> Any:
    """The net with the weights of a file, by the library's own rules for names that have changed.

    Args:
        net: what `build` gave.
        path: the file, or the index of its parts.
        head: whether it has to hold the classifier's head.

    Raises:
        DataError: a weight is missing, or has another shape.
    """
    import torch

    from bakeoff.frameworks.torch.arrays import tensors

    _library()
    files = [one for one in parts(path) if one.suffix != ".json"]
    found = {name: array for file in files for name, array in checkpoints.read(file).items()}
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors(found).items()}
    fresh, info = type(net).from_pretrained(
        None, config=net.config, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True,
        dtype=torch.float32,
    )  # fmt: skip
    for name, came, expected in sorted(info["mismatched_keys"]):
        raise DataError(
            f"{path}: {name} has shape {list(came)}, {CONFIG} asks for {list(expected)}: another number of classes, or "
            "another input size. Give the folder as save_pretrained wrote it."
        )
    missing = sorted(name for name in info["missing_keys"] if not name.endswith(COUNTERS))
    top = all(not name.startswith(f"{net.base_model_prefix}.") for name in missing)
    if missing and (head or not top):
        what = "the head was never fine-tuned" if top else "it is another net's"
        hint = (
            f"Fine-tune it first; without its head it is a backbone: bakeoff train DATA --backbone {path}"
            if top
            else ""
        )
        raise DataError(f"{path}: {len(missing)} weights are missing, as {missing[0]}: {what}.\n{hint}".strip())
    return fresh.eval()


def processed(folder: Path) -> tuple[Signature | None, tuple[str, ...]]:
    """The signature of a folder's image processor; what it can't say, and what a user should know of the licence."""
    transformers = _library()
    caution = weights(folder.name, None, folder).caution if (folder / CARD).is_file() else None
    said = (f"licence: {caution}",) if caution else ()
    if not (folder / PROCESSOR).is_file():
        return None, (f"no {PROCESSOR}: images are stretched and taken as 0 to 1, which may not be its own way", *said)
    for backend in ("pil", None):
        try:
            given = {"local_files_only": True, "trust_remote_code": False, **({"backend": backend} if backend else {})}
            signature, notes = _image_processor.signature_of(
                transformers.AutoImageProcessor.from_pretrained(str(folder), **given)
            )
            return signature, (*notes, *said)
        except (ImportError, OSError, ValueError, TypeError, KeyError, AttributeError) as one:
            error = one
    raise DataError(f"{folder / PROCESSOR}: transformers can't use it: {_first(error)}") from None


# the way back ---------------------------------------------------------------------------------------------------------


def save(net: Any, folder: Path, signature: Signature, origin: Path | None) -> None:
    """A folder that from_pretrained loads strictly.

    Args:
        net: with its weights.
        folder: to write.
        signature: how images are prepared.
        origin: the folder that the net came from; its image processor is kept where the signature is still its own.
    """
    net.save_pretrained(str(folder))
    if origin is not None and processed(origin)[0] == replace(signature, scaled_decode=False):
        shutil.copyfile(origin / PROCESSOR, folder / PROCESSOR)
    else:
        text = json.dumps(_image_processor.config_of(signature), indent=2, sort_keys=True) + "\n"
        (folder / PROCESSOR).write_text(text, encoding="utf-8")


def renamed(net: Any, names: tuple[str, ...], multilabel: bool) -> None:
    """The net's config with other classes."""
    net.config.id2label = dict(enumerate(names))
    net.config.label2id = {name: index for index, name in enumerate(names)}
    net.config.problem_type = "multi_label_classification" if multilabel else "single_label_classification"


def state_of(folder: Path) -> dict[str, Array]:
    """The state dict of the net that a folder holds.

    Raises:
        DataError: it isn't whole.
    """
    net = fill(made(config_of(folder)), weights_of(folder))
    return {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}


# the rest -------------------------------------------------------------------------------------------------------------


def cache_path(weights: WeightsFile) -> Path:
    """The hub's cache."""
    return hub_cache() / f"models--{str(weights.repo).replace('/', '--')}"


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """The catalogue: the models that the library's own documentation of its classifiers of images names."""
    import torch

    transformers = _library()
    for kind in transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        try:
            with torch.device("meta"):
                made({"model_type": kind})
        except UnsupportedError as error:
            print(error)
            continue
        text = inspect.getsource(type(transformers.AutoConfig.for_model(kind)))
        for name in re.findall(r'checkpoint="([\w.-]+/[\w.-]+)"', text)[:1]:
            address = f"{HUB}/{name}/resolve/main/{WEIGHTS[0]}"
            row = asdict(WeightsFile("main", WEIGHTS[0], address, "see its model card", name))
            yield name, {"parameters": None, "input_size": None, "classes": None, "weights": [row]}


def _library() -> Any:
    """transformers, without telemetry, bars or chatter."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import transformers
    import transformers.models.auto.modeling_auto

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is no file.

    Raises:
        CorruptError: it is none.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptError(f"{path}: not readable as JSON ({error}). Get it anew.") from None
    if not isinstance(value, dict):
        raise CorruptError(f"{path}: a {type(value).__name__}; expected an object. Get it anew.")
    return value


def _first(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]
