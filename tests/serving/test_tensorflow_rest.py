"""TensorFlow Serving's HTTP: every way to send an image, and every answer that is an error, string for string."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pytest
from served import SIGNATURE, Client, b64, image

from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.predict import predict
from bakeoff.preprocessing import normalize, prepare
from bakeoff.serving.wire._json import numbers

NET = "/v1/models/net"
ONE = image()


def test_every_way_to_send_an_image_gives_what_predict_gives(client: Client, bundles: Any, tmp_path: Any) -> None:
    (tmp_path / "one.jpg").write_bytes(ONE)
    (row,) = predict(open_model(bundles / "net"), [tmp_path / "one.jpg"], top=5)
    bodies: list[Any] = [
        {"instances": [b64(ONE)]},
        {"instances": [{"bytes": b64(ONE)}]},
        {"signature_name": "serving_default", "instances": [b64(ONE)]},
        {"signature_name": "serve_images", "instances": [prepare(ONE, SIGNATURE).tolist()]},
        {"signature_name": "serve_images", "instances": [{"images": prepare(ONE, SIGNATURE).tolist()}]},
    ]
    for body in bodies:
        (found,) = client.json(f"{NET}:predict", body)["predictions"]
        assert found["labels"] == row["label"]
        assert np.allclose(sorted(found["probabilities"])[::-1], [share for _, share in row["top"]], atol=1e-6)
    columns = [{"inputs": one} for one in (b64(ONE), [b64(ONE)], {"bytes": [b64(ONE)]}, {"bytes": b64(ONE)})]
    columns += [{"signature_name": "serve_images", "inputs": [prepare(ONE, SIGNATURE).tolist()]}]
    for body in columns:
        found = client.json(f"{NET}:predict", body)["outputs"]
        assert found["labels"] == [row["label"]]
        assert np.allclose(sorted(found["probabilities"][0])[::-1], [share for _, share in row["top"]], atol=1e-6)
    normal = {"signature_name": "serve_tensor", "instances": [normalize(prepare(ONE, SIGNATURE), SIGNATURE).tolist()]}
    (logits,) = client.json(f"{NET}:predict", normal)["predictions"]
    assert logits == client.json(f"{NET}:predict", bodies[0])["predictions"][0]["logits"]
    examples = {"signature_name": "classify", "examples": [{"image/encoded": b64(ONE)}]}
    (pairs,) = client.json(f"{NET}:classify", examples)["results"]
    assert [label for label, _ in pairs] == [label for label, _ in row["top"]]
    assert np.allclose([share for _, share in pairs], [share for _, share in row["top"]], atol=1e-6)


def test_each_image_of_a_batch_is_decoded_by_itself(client: Client, bundles: Any, tmp_path: Any) -> None:
    exif = image(seed=5)
    turned = (
        exif[:2] + b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0" + exif[2:]
    )
    images = [
        image(seed=1, size=(300, 200)),
        image("PNG", (7, 90), "RGBA", 2),
        image("JPEG", (50, 50), "L", 3),
        image("JPEG", (64, 48), "CMYK", 4),
        turned,
        image("WEBP", seed=6),
    ]
    paths = [tmp_path / str(place) for place in range(len(images))]
    for path, content in zip(paths, images, strict=True):
        path.write_bytes(content)
    wanted = [row["label"] for row in predict(open_model(bundles / "net"), paths)]
    assert [
        one["labels"] for one in client.json(f"{NET}:predict", {"instances": list(map(b64, images))})["predictions"]
    ] == wanted
    bad = [*map(b64, images[:3]), b64(b"no image"), b64(images[4])]
    assert client.error(f"{NET}:predict", {"instances": bad}) == "image 3 can't be read: text, not an image"


def test_several_labels_and_two_classes(client: Client) -> None:
    (tags,) = client.json("/v1/models/tags:predict", {"instances": [b64(ONE)]})["predictions"]
    shares = dict(zip(("hat", "shoes", "été", 'a "b"\\c', "<i>"), tags["probabilities"], strict=True))
    assert tags["labels"] == [name if share >= 0.4 else "" for name, share in shares.items()]
    assert 0 < sum(map(bool, tags["labels"])) < 5
    (two,) = client.json("/v1/models/two:predict", {"instances": [b64(ONE)]})["predictions"]
    assert len(two["logits"]) == 1
    assert sum(two["probabilities"]) == pytest.approx(1)


def test_numbers_are_written_as_tensorflow_serving_writes_them() -> None:
    """The vectors of its util/json_tensor_test.cc, and what doesn't come back from six digits."""
    texts = ["9e+06", "999999.0", "0.5", "0.0003", "3e-05", "555557.5", "0.333333343", "16777216.0", "NaN", "Infinity"]
    values = [9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5, 1 / 3, 16777217, np.nan, np.inf]
    assert numbers(np.array(values, np.float32)) == texts
    assert numbers(np.array([-np.inf, 1 / 3])) == ["-Infinity", "0.33333333333333331"]


def test_gzip_is_unpacked_and_what_is_damaged_is_empty(client: Client) -> None:
    packed, headers = gzip.compress(json.dumps({"instances": [b64(ONE)]}).encode()), {"Content-Encoding": "gzip"}
    assert client.json(f"{NET}:predict", packed, headers=headers)["predictions"]
    for broken in (packed[:-9], b"junk" + packed):
        assert client.error(f"{NET}:predict", broken, headers=headers) == "JSON Parse error: The document is empty"
    bomb = gzip.compress(b" " * (65 << 20))
    assert "more than 67,108,864 bytes" in client.error(f"{NET}:predict", bomb, 413, headers=headers)


def test_status_and_metadata(client: Client) -> None:
    _, body, headers = client.ask(NET)
    text = '{\n "model_version_status": [\n  {\n   "version": "1",\n   "state": "AVAILABLE",\n   "status": {\n'
    text += '    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n'
    assert body.decode() == text
    assert headers["content-type"] == "application/json"
    for path in (f"{NET}/versions/1", f"{NET}/versions/0001", f"{NET}/labels/any", "/V1/Models/net"):
        assert client.ask(path)[1] == body
    found = client.json(f"{NET}/metadata")
    assert found["model_spec"] == {"name": "net", "signature_name": "", "version": "1"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert signatures.keys() == {"serving_default", "serve_images", "serve_tensor", "classify"}
    assert signatures["serve_images"]["inputs"]["images"]["tensor_shape"]["dim"][1] == {"size": "24", "name": ""}
