"""How many images make a step."""

from __future__ import annotations

STAGE, WORLD, KEYS = "data", "train", ("train.batch_size",)
SAYS = "a step has {a} images on one side and {b} on the other"
FIX = {
    "torch": "DataLoader(data, batch_size={value})",
    "keras": "model.fit(x, y, batch_size={value})  # 32 where nothing is said; dataset.batch({value})",
}
