"""Large JPEGs decoded at a fraction of their size: how much faster, and how many answers change.

python bench/scaled_decode.py

The validation and test photos of the clothing set are enlarged to 12 megapixels (by three filters and JPEG qualities in
turn) and prepared for EfficientNet-lite0 in full and scaled, one after the other. The head was trained on the training
photos as they are.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import _common
import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

from bakeoff import models
from bakeoff.models.efficientnet_lite0 import SIGNATURE
from bakeoff.preprocessing import normalize, prepare
from bakeoff.runtimes import onnxruntime

PIXELS = 12e6
WAYS = ((Image.Resampling.BICUBIC, 90), (Image.Resampling.LANCZOS, 95), (Image.Resampling.BILINEAR, 85))
SCALED = replace(SIGNATURE, scaled_decode=True)


def enlarged(path: Path, filter_: Image.Resampling, quality: int) -> bytes:
    with Image.open(path) as image:
        scale = (PIXELS / (image.width * image.height)) ** 0.5
        size = round(image.width * scale), round(image.height * scale)
        stream = BytesIO()
        image.convert("RGB").resize(size, filter_).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = _common.clothing(Path(name))
        files = {split: sorted((folder / split).rglob("*.jpg")) for split in ("train", "validation", "test")}
        runtime = onnxruntime.from_graph(models.build("efficientnet_lite0", (224, 224), 3, None))

        def features(pixels: list[np.ndarray]) -> np.ndarray:
            blocks = [np.stack(pixels[at : at + 16]) for at in range(0, len(pixels), 16)]
            return np.concatenate([runtime.predict(normalize(block, SIGNATURE)) for block in blocks])

        head = LogisticRegression(C=0.03, max_iter=500)
        head.fit(
            features([prepare(path, SIGNATURE) for path in files["train"]]), [p.parent.name for p in files["train"]]
        )
        pixels: dict[str, list[np.ndarray]] = {"full": [], "scaled": []}
        seconds = dict.fromkeys(pixels, 0.0)
        for number, path in enumerate(files["validation"] + files["test"]):
            data = enlarged(path, *WAYS[number % len(WAYS)])
            for way, signature in (("full", SIGNATURE), ("scaled", SCALED)):
                began = time.perf_counter()
                pixels[way].append(prepare(data, signature))
                seconds[way] += time.perf_counter() - began
        full, scaled = (head.predict(features(pixels[way])) for way in ("full", "scaled"))
    ratio, changed = seconds["full"] / seconds["scaled"], int((full != scaled).sum())
    _common.say(f"12 megapixels, full / scaled: {ratio:.2f} x, wanted >= 2", ratio >= 2)
    _common.say(
        f"top-1 changed on {changed} of {len(full)} ({100 * changed / len(full):.2f} %), wanted <= 0.5 %",
        changed <= 0.005 * len(full),
    )


if __name__ == "__main__":
    main()
    _common.finish()
