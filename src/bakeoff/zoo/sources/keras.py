"""keras.applications: classifiers, their weights from storage.googleapis.com."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from bakeoff.errors import UsageError
from bakeoff.preprocessing.signature import Signature
from bakeoff.registry import nearest
from bakeoff.zoo.listing import WeightsFile, imagenet, offered

LIBRARY, NEEDS, EXTRA, FRAMEWORK = "keras", ("keras", "tensorflow"), "tensorflow", "keras"
WEIGHTS = "imagenet"
# As the documentation of keras.applications states them, by the module of the constructor.
LICENCES = {
    "densenet": "BSD-3-Clause",
    "inception_v3": "Apache-2.0",
    "mobilenet": "Apache-2.0",
    "mobilenet_v2": "Apache-2.0",
    "nasnet": "Apache-2.0",
    "resnet": "MIT",
    "vgg16": "CC-BY-4.0",
    "vgg19": "CC-BY-4.0",
    "xception": "MIT",
}
UNKNOWN = "not stated for the weights (library: Apache-2.0; trained on ImageNet)"
FIXED = ("NASNet",)  # with its classifier; the others end in global pooling


class _AskedError(Exception):
    """Raised in place of a download: what Keras asked for."""


def build(
    model: str,
    *,
    tag: str | None = None,
    classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    channels: int = 3,
    arguments: dict[str, Any] | None = None,
) -> Any:
    """A keras.Model with drawn weights; it ends in the library's own softmax."""
    from keras import applications

    given: dict[str, Any] = dict(arguments or {})
    if classes is not None:
        given["classes"] = classes
    if input_size:
        given["input_shape"] = (*input_size, channels)
    elif channels != 3:
        given["input_shape"] = (*_size(model), channels)
    return getattr(applications, model)(weights=None, **given)


def describe(model: str, weights: str | None = None) -> tuple[Signature, tuple[str, ...] | None]:
    """How the library prepares images; the part that lies in the net itself (Rescaling, Normalization) stays there.

    keras.applications.imagenet_utils.preprocess_input: "tf" is x / 127.5 - 1; "torch" scales by ImageNet's mean and
    deviation; "caffe" turns RGB to BGR and takes ImageNet's mean away. None: the numbers 0 to 255.
    """
    height, width = _size(model)
    bytes_, one = (1 / 255,) * 3, (0.5, 0.5, 0.5)
    modes: dict[str | None, tuple[tuple[float, ...], tuple[float, ...]]] = {
        None: ((0.0, 0.0, 0.0), bytes_),
        "caffe": (tuple(mean / 255 for mean in (103.939, 116.779, 123.68)), bytes_),
        "tf": (one, one),
        "torch": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    }
    mean, std = modes[mode(model)]
    order: Literal["RGB", "BGR"] = "BGR" if mode(model) == "caffe" else "RGB"
    return Signature((height, width), 3, "stretch", "bilinear", None, mean, std, channel_order=order), imagenet()


def described(name: str) -> Signature:
    """What a family asks of images, by the name of its module, as `mobilenet_v2`, or of its constructor.

    Raises:
        UsageError: there is none of that name.
    """
    known = {one.lower(): one for one in offered("keras")}
    plain = name.replace("_", "").lower()
    if plain not in known:
        raise UsageError(f"keras:{name}: no family of keras.applications{nearest(plain, known)}.")
    return describe(known[plain])[0]


def mode(model: str) -> str | None:
    """Which preprocessing the family asks for outside the net."""
    if model.startswith(("EfficientNet", "ConvNeXt", "MobileNetV3")):
        return None
    if model.startswith("DenseNet"):
        return "torch"
    return "caffe" if model.startswith("VGG") or (model.startswith("ResNet") and not model.endswith("V2")) else "tf"


def _size(model: str) -> tuple[int, int]:
    known = offered("keras").get(model)
    height, width = known.input_size[:2] if known and known.input_size else (None, None)
    return (height, width) if height and width else (224, 224)  # MobileNetV3 is made for any


def cache_path(weights: WeightsFile) -> Path:
    """$KERAS_HOME/models, else ~/.keras/models."""
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return Path(home).expanduser() / "models" / weights.file


def constructors() -> list[str]:
    """The constructors of keras.applications."""
    from keras import applications

    return sorted(name for name in dir(applications) if name[0].isupper() and callable(getattr(applications, name)))


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """The catalogue."""
    import keras

    for model in constructors():
        net = getattr(keras.applications, model)(weights=None)
        _, height, width, channels = net.input_shape
        parameters = sum(v.value.numpy().size for layer in _layers(net) for v in _weights(layer))
        yield (
            model,
            {
                "parameters": int(parameters),
                "input_size": [height, width, channels],
                "classes": int(net.output_shape[-1]),
                "fixed": model.startswith(FIXED),
                "weights": [_asked(model)],
            },
        )
        del net
        keras.backend.clear_session()
        print(model, parameters, flush=True)


def _layers(net: Any) -> list[Any]:
    return list(net._flatten_layers(include_self=False, recursive=True))


def _weights(layer: Any) -> list[Any]:
    """Weights that training changes: the running statistics are no parameters."""
    return list(layer._trainable_variables)


def _asked(model: str) -> dict[str, Any]:
    """What Keras would download, caught at the door."""
    import keras
    from keras.src.utils import file_utils

    asked: dict[str, Any] = {}

    def caught(fname: str, origin: str, file_hash: str | None = None, **_: Any) -> str:
        asked.update(file=fname, address=origin, hash=file_hash)
        raise _AskedError

    before, file_utils.get_file = file_utils.get_file, caught
    try:
        getattr(keras.applications, model)(weights=WEIGHTS)
    except _AskedError:
        pass
    finally:
        file_utils.get_file = before
    digits = asked.pop("hash") or ""
    module = getattr(keras.applications, model).__module__.rsplit(".", 1)[-1]
    kinds = {32: "md5", 64: "sha256"}
    return {
        "name": WEIGHTS,
        **asked,
        "licence": LICENCES.get(module, UNKNOWN),
        **({kinds[len(digits)]: digits} if len(digits) in kinds else {}),
    }
