"""A worker's function: record a training script, and write down its net and its first steps as Bakeoff has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import bundle as bundles
from bakeoff.bundle import Bundle
from bakeoff.difference.inputs import channels_last
from bakeoff.errors import DataError
from bakeoff.preprocessing.signature import Signature
from bakeoff.zoo import opening

RECORD, STEPS, END = "record.json", "steps.npz", "end.npz"


def record(session: dict[str, Any], reporter: Any, *, script: str, framework: str, steps: int, folder: str) -> None:
    """Run a script under its framework's recorder; `folder` gets the net at its start, its end, and the steps."""
    if framework == "torch":
        from bakeoff.frameworks.torch.recording import record as recorded
    else:
        from bakeoff.frameworks._keras.recording import record as recorded
    found, load = recorded(Path(script), steps), "load_state_dict" if framework == "torch" else "set_weights"
    images = [_images(step.images) for step in found.steps]
    size, channels = images[0].shape[1:3], images[0].shape[3]
    getattr(found.model, load)(found.start)
    opened = _opened(framework, found.model, (int(size[0]), int(size[1])), int(channels))
    names = tuple(map(str, range(max(2, int(str(opened.graph.output_shape[-1]))))))
    signature = Signature((int(size[0]), int(size[1])), int(channels))
    write = Bundle(opened.graph, signature, names, framework=framework, extra={"head": opened.head})
    bundles.write(Path(folder) / "net", write)
    getattr(found.model, load)(found.end)
    np.savez(Path(folder) / END, **opened.live("float32").arrays())
    arrays: dict[str, Any] = {}
    for number, step in enumerate(found.steps):
        arrays |= {f"images{number}": images[number], f"output{number}": step.output}
        if step.labels is not None:
            arrays[f"labels{number}"] = np.asarray(step.labels)
    arrays |= {"losses": [one.loss for one in found.steps], "rates": [one.rate for one in found.steps]}
    np.savez(Path(folder) / STEPS, **arrays)
    told = {"settings": found.settings, "places": found.places, "framework": framework}
    (Path(folder) / RECORD).write_text(json.dumps(told), encoding="utf-8")


def _images(images: Any) -> Any:
    """Float (N, H, W, C) of what a net was given.

    Raises:
        DataError: it is no batch of images.
    """
    array = np.asarray(images, np.float32)
    array = array[..., None] if array.ndim == 3 else array
    if array.ndim != 4:
        raise DataError(
            f"its net takes {array.shape}; expected images, (N, C, H, W) or (N, H, W, C). Flatten inside the net."
        )
    return channels_last(array)


def _opened(framework: str, model: Any, size: tuple[int, int], channels: int) -> opening.Opened:
    if framework != "torch":
        return opening.from_keras(model)
    model.eval()
    return opening.from_torch(model, size, Signature(size, channels))
