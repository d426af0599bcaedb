"""Writing a bundle: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bakeoff.bundle.layout import JSON_NAME, UNKNOWN_NAME, WEIGHTS_NAME, Bundle
from bakeoff.errors import DataError
from bakeoff.files import atomic_write, fresh, put
from bakeoff.graph import serialize
from bakeoff.graph.graph import weights_sha256
from bakeoff.schemas import SCHEMA
from bakeoff.shown import to_json
from bakeoff.system import sync


def write(folder: str | Path, bundle: Bundle) -> Path:
    """Write a bundle into a new folder: under a temporary name first, synced, then renamed.

    An older bundle of the same name is replaced once the new one is whole.

    Raises:
        DataError: it can't be written; names the path and the size.
    """
    from safetensors.numpy import save

    target = Path(folder)
    arrays = {path: np.asarray(array, order="C") for path, array in bundle.graph.arrays().items()}
    try:
        value = described(bundle) | {"weights_sha256": weights_sha256(arrays)}
        means = {} if bundle.unknown is None else {"means": bundle.unknown.means}
        if bundle.unknown is not None:
            value["unknown"] = bundle.unknown.to_json() | {"sha256": weights_sha256(means)}
        text = to_json(value, indent=1, nan=True) + "\n"
        with fresh(target) as temporary:
            with atomic_write(temporary / WEIGHTS_NAME) as stream:
                stream.write(save(arrays))  # save_file's error for a full disk is no OSError
            if means:
                with atomic_write(temporary / UNKNOWN_NAME) as stream:
                    stream.write(save(means))
            with atomic_write(temporary / JSON_NAME) as stream:
                stream.write(text.encode())
            put(temporary, target)
    except OSError as error:
        needed = sum(array.nbytes for array in arrays.values()) / 1e6
        raise DataError(f"{target}: {error.strerror or error}. It needs {needed:.1f} MB there.") from None
    sync(target.parent)
    return target


def described(bundle: Bundle) -> dict[str, object]:
    """What bundle.json says, but for the hash of the weights."""
    return {
        "schema": SCHEMA,
        "classes": list(bundle.classes),
        "loss": bundle.loss,
        **({"threshold": bundle.threshold} if bundle.multilabel else {}),
        "framework": bundle.framework,
        "signature": bundle.signature.to_json(),
        "scores": dict(bundle.scores),
        "recipe": bundle.recipe_toml,
        "extra": dict(bundle.extra),
        "graph": serialize.to_json(bundle.graph),
    }
