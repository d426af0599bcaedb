"""All constructors of keras.applications through a saved, fine-tuned file: a new head, part of the net frozen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from test_keras_census import NAMES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
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
    line = [sys.executable, "-m", "bakeoff", "convert", "net.keras", "--to", "torch", "--check", "quick"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
