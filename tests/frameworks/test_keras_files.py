"""All constructors of keras.applications through a saved, fine-tuned file: a new head, part of the net frozen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
NAMES = """
    ConvNeXtBase ConvNeXtLarge ConvNeXtSmall ConvNeXtTiny ConvNeXtXLarge DenseNet121 DenseNet169 DenseNet201
    EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 EfficientNetB4 EfficientNetB5 EfficientNetB6
    EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2L EfficientNetV2M
    EfficientNetV2S InceptionResNetV2 InceptionV3 MobileNet MobileNetV2 MobileNetV3Large MobileNetV3Small NASNetLarge
    NASNetMobile ResNet101 ResNet101V2 ResNet152 ResNet152V2 ResNet50 ResNet50V2 VGG16 VGG19 Xception
"""
SMALLEST = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}


@pytest.mark.parametrize("name", NAMES.split())
def test_a_fine_tuned_file(name: str, tmp_path: Path) -> None:
    import keras

    size = SMALLEST.get(name, 32)
    base = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(size, size, 3), pooling="avg"
    )
    base.trainable = False
    for layer in base.layers[-10:]:
        layer.trainable = True
    image = keras.Input((size, size, 3))
    logits = keras.layers.Dense(3, activation="softmax")(keras.layers.Dropout(0.2)(base(image)))
    net = keras.Model(image, logits)
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.optimizer.build(net.trainable_variables)
    net.save(tmp_path / "net.keras")
    del net, base
    keras.backend.clear_session()
    converted(tmp_path, "--check", "quick")


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", "EfficientNetB0", "Xception"])
def test_a_free_input_size_stays_free(name: str, tmp_path: Path) -> None:
    import keras

    build = getattr(keras.applications, name)
    build(weights=None, include_top=False, input_shape=(None, None, 3), pooling="avg").save(tmp_path / "net.keras")
    assert not converted(tmp_path, "--json")["fixed_size"]


def converted(folder: Path, *words: str) -> dict[str, Any]:
    line = [sys.executable, "-m", "bakeoff", "convert", "net.keras", "--to", "torch", *words]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
    return dict(json.loads(done.stdout)) if "--json" in words else {}
