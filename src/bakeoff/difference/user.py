"""Functions of the user's own, run in their own process because the user says so: one prepares, one makes nets."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import bundle as bundles
from bakeoff.difference.inputs import channels_last
from bakeoff.errors import UsageError
from bakeoff.files import workspace
from bakeoff.schemas import Array
from bakeoff.workers.launch import Worker
from bakeoff.zoo import opening


def prepared(text: str, images: Sequence[bytes], names: Sequence[str]) -> Array:
    """What FILE.py:FUNCTION makes of each image, float32 (N, H, W, C).

    Raises:
        UsageError: there is no such function, or it gives no image.
    """
    file, colon, function = text.rpartition(":")
    if not colon or not Path(file).is_file():
        raise UsageError(f"{text}: expected FILE.py:FUNCTION, a function from an image's path to the net's input.")
    with workspace("pre") as folder, Worker("onnxruntime") as worker:
        for number, (image, name) in enumerate(zip(images, names, strict=True)):
            (folder / f"{number:05d}{Path(name).suffix}").write_bytes(image)
        call = {"file": str(Path(file).resolve()), "function": function, "folder": str(folder)}
        worker.call("bakeoff.difference.user:call", **call)
        return channels_last(np.load(folder / "inputs.npy"))


def net(
    session: dict[str, Any],
    reporter: Any,
    *,
    file: str,
    function: str,
    framework: str,
    weights: str | None,
    size: list[int],
    folder: str,
) -> None:
    """A worker's function: call the user's function, fill its net with a file's weights, and write it as a bundle."""
    native = named(file, function)()
    if framework == "torch":
        if weights:
            opening.fill_torch(native, Path(weights))
        found = opening.from_torch(native.eval(), (size[0], size[1]) if size else None)
    else:
        if weights:
            opening.fill_keras(native, Path(weights))
        found = opening.from_keras(native)
    bundles.write(Path(folder) / "net", opening.bundled(found, framework))


def named(file: str, function: str) -> Any:
    """A function of the user's file, which is imported.

    Raises:
        UsageError: there is none of that name.
    """
    sys.path.insert(0, str(Path(file).parent))
    spec = importlib.util.spec_from_file_location("preparation", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, function, None)):
        raise UsageError(f"{file}: no function {function!r}. Name one that it has.")
    return getattr(module, function)


def call(session: dict[str, Any], reporter: Any, *, file: str, function: str, folder: str) -> None:
    """A worker's function: call the user's function with each path."""
    prepare = named(file, function)
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix != ".npy")
    found = [np.asarray(prepare(str(path))) for path in paths]
    rows = [one[0] if one.ndim == 4 and len(one) == 1 else one for one in found]
    if any(row.ndim != 3 for row in rows) or len({row.shape for row in rows}) > 1:
        raise UsageError(
            f"{file}:{function}: gives {found[0].shape}; expected one (H, W, C) or (C, H, W) for all images."
        )
    np.save(Path(folder) / "inputs.npy", np.stack(rows))
