"""Certificates that can't be run again say why; nothing starts for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff.convert.certificate import digest
from bakeoff.convert.verify import verify
from bakeoff.errors import BakeoffError, CorruptError, DataError, VersionError


@pytest.fixture
def value(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "out.keras").write_bytes(b"model")
    return {
        "schema": 1,
        "kind": "conversion",
        "source": "timm/resnet18",
        "source_kind": "zoo",
        "source_sha256": None,
        "to": "keras",
        "output": "out.keras",
        "output_sha256": digest(tmp_path / "out.keras"),
        "check": "full",
        "weights": None,
        "random_weights": True,
        "pictures": None,
        "classes": None,
        "input_size": None,
        "seed": 0,
        "checks": [{"name": "logits", "difference": 0.0, "tolerance": 1.0, "passed": True, "detail": ""}],
    }


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"schema": 9}, VersionError, "schema 9"),
        ({"kind": "party"}, DataError, "no certificate of a conversion"),
        ({"seed": "x"}, CorruptError, "seed"),
        ({"checks": 3}, CorruptError, "damaged or edited"),
        ({"output": "other.keras"}, DataError, "isn't there"),
        ({"output_sha256": "0" * 64}, CorruptError, "was changed"),
        ({"source": "a.keras", "source_kind": "keras"}, DataError, "the source of the certificate isn't there"),
        ({"source": "rm -rf /", "source_kind": "zoo"}, BakeoffError, "no name"),
    ],
)
def test_refused(
    change: dict[str, Any], error: type[BakeoffError], says: str, value: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "out.keras.certificate.json"
    path.write_text(json.dumps({**value, **change}))
    with pytest.raises(error, match=says):
        verify(path)


def test_what_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(CorruptError, match="not readable as JSON"):
        verify(tmp_path / "x.json")
    with pytest.raises(DataError, match="No such file"):
        verify(tmp_path / "y.json")
