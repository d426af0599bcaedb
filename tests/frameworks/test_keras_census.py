"""All constructors of keras.applications into torch and back, trained there, by bench/census_keras.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow, pytest.mark.timeout(7200)]
CENSUS = Path(__file__).resolve().parents[2] / "bench" / "census_keras.py"
NAMES = """
    ConvNeXtBase ConvNeXtLarge ConvNeXtSmall ConvNeXtTiny ConvNeXtXLarge DenseNet121 DenseNet169 DenseNet201
    EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 EfficientNetB4 EfficientNetB5 EfficientNetB6
    EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2L EfficientNetV2M
    EfficientNetV2S InceptionResNetV2 InceptionV3 MobileNet MobileNetV2 MobileNetV3Large MobileNetV3Small NASNetLarge
    NASNetMobile ResNet101 ResNet101V2 ResNet152 ResNet152V2 ResNet50 ResNet50V2 VGG16 VGG19 Xception
"""


def run(name: str, folder: Path) -> dict[str, object]:
    output = folder / "census.jsonl"
    subprocess.run([sys.executable, str(CENSUS), str(output), name, "--limit", "3000"], check=True)
    line: dict[str, object] = json.loads(output.read_text())
    return line


@pytest.mark.skipif(not CENSUS.exists(), reason="bench/ is not beside the tests")
@pytest.mark.parametrize("name", NAMES.split())
def test_a_constructor_goes_into_torch_and_back(name: str, tmp_path: Path) -> None:
    line = run(name, tmp_path)
    assert line["passed"], line


@pytest.mark.skipif(not CENSUS.exists(), reason="bench/ is not beside the tests")
@pytest.mark.parametrize("name", ["MobileNetV2:free", "ResNet50:free", "EfficientNetB0:free", "Xception:free"])
def test_a_free_input_size_stays_free(name: str, tmp_path: Path) -> None:
    line = run(name, tmp_path)
    assert line["passed"], line
