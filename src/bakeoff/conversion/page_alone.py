"""A page of plain code, tried where Bakeoff can't be imported: `python page_alone.py FOLDER IMAGES ANSWERS`.

Run as a file of its own, never imported. FOLDER has model.py; IMAGES is an `.npz` with `images`, float32, (N, H, W, C);
ANSWERS gets `logits` and `trainable`, the number of numbers that training changes.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np


def main(folder: str, given: str, answers: str) -> None:
    """Load the page, ask it, write what it says."""
    sys.modules["bakeoff"] = None  # type: ignore[assignment]  # an import of it fails
    sys.path.insert(0, folder)
    images = np.load(given)["images"]
    net: Any = importlib.import_module("model").load()
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(net, "state_dict"):
        with torch.no_grad():
            logits = net(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
        trainable = sum(one.numel() for one in net.parameters() if one.requires_grad)
    else:
        logits = np.asarray(net(images, training=False))
        trainable = sum(int(np.prod(one.shape)) for one in net.trainable_variables)
    np.savez(answers, logits=logits, trainable=trainable)


if __name__ == "__main__":
    main(*sys.argv[1:])
