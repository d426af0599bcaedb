import dataclasses
import json

import pytest

from bakeoff.errors import UsageError, VersionError
from bakeoff.preprocessing import Signature

LITE0 = Signature((224, 224), fit="crop", resize="bicubic", resize_to=256, mean=(0.5,), std=(0.5,))


def test_json_round_trip() -> None:
    text = json.dumps(LITE0.to_json())
    assert Signature.from_json(json.loads(text)) == LITE0
    assert Signature.from_json(json.loads(text)).digest() == LITE0.digest()


def test_one_number_stands_for_every_channel() -> None:
    assert LITE0.mean == (0.5, 0.5, 0.5)
    assert dataclasses.replace(LITE0, mean=(0.5, 0.5, 0.5)) == LITE0


def test_digest_is_golden() -> None:
    assert LITE0.digest() == "cca9d48d421fbc48c1c62c3ac025292a568a1810f4a57fd5f03d9098584910dc"
    assert LITE0.pixels_digest() == "8856ad226d5f0919c70540ce4c8cf235af867696ab6f34dc7b1d54d809a429f5"


def test_channel_order_is_said_only_where_it_is_unusual() -> None:
    turned = dataclasses.replace(LITE0, channel_order="BGR")
    assert "channel_order" not in LITE0.to_json()
    assert Signature.from_json(turned.to_json()) == turned
    assert turned.digest() != LITE0.digest()
    assert turned.pixels_digest() == LITE0.pixels_digest()


def test_pixels_digest_ignores_the_numbers_alone() -> None:
    other = dataclasses.replace(LITE0, mean=(0.4,))
    assert other.pixels_digest() == LITE0.pixels_digest()
    assert other.digest() != LITE0.digest()
    for change in (
        {"size": (192, 224)},
        {"resize": "bilinear"},
        {"resize_to": 255},
        {"channels": 1, "mean": 0.5, "std": 1},
    ):
        assert dataclasses.replace(LITE0, **change).pixels_digest() != LITE0.pixels_digest()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"size": (0, 4)}, "size"),
        ({"size": (4,)}, "size"),
        ({"size": "44"}, "size"),
        ({"size": (4.0, 4)}, "size"),
        ({"size": (4, 4), "channels": 4}, "channels"),
        ({"size": (4, 4), "fit": "pad"}, "fit"),
        ({"size": (4, 4), "channel_order": "GBR"}, "channel_order"),
        ({"size": (4, 4), "resize": "bicubik"}, "resize"),
        ({"size": (4, 4), "resize_to": 8}, "resize_to"),
        ({"size": (4, 4), "fit": "crop", "resize_to": 3}, "resize_to"),
        ({"size": (4, 4), "mean": (0.1, 0.2)}, "mean"),
        ({"size": (4, 4), "mean": float("nan")}, "mean"),
        ({"size": (4, 4), "std": 0.0}, "std"),
        ({"size": (4, 4), "std": 1e-308}, "std"),
        ({"size": (4, 4), "mean": -1e308}, "mean"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: dict, word: str) -> None:
    with pytest.raises(UsageError, match=rf"^{word} is"):
        Signature(**arguments)


def test_another_schema_and_unknown_keys_are_refused() -> None:
    with pytest.raises(VersionError, match="99"):
        Signature.from_json({**LITE0.to_json(), "schema": 99})
    with pytest.raises(UsageError, match="'colour'"):
        Signature.from_json({**LITE0.to_json(), "colour": 1})
    with pytest.raises(UsageError, match="no 'size'"):
        Signature.from_json({"channels": 3})
