"""What a served model makes of the bytes of a file is what `preprocessing` makes of them: not one value differs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import exif, good, photo, refused, saved
from PIL import Image, ImageOps

from bakeoff.bundle import Bundle
from bakeoff.errors import DataError
from bakeoff.evaluation.kinds import BINARY, MULTILABEL, SINGLE
from bakeoff.evaluation.opening import open_model
from bakeoff.exports import serving
from bakeoff.exports.serving._resample import Cut, resample
from bakeoff.preprocessing import Signature, normalize, prepare

pytestmark = pytest.mark.tensorflow

SIGNATURES = {
    "stretched": Signature((24, 32), resize="bicubic"),
    "grey, cut": Signature((20, 20), 1, fit="crop"),
    "resized and cut": Signature((16, 12), fit="crop", resize_to=18, half="down", resize="lanczos"),
    "small": Signature((7, 5), fit="crop", scaled_decode=True),
    "small, stretched": Signature((3, 4), 1, scaled_decode=True, resize="box"),
    "nearest": Signature((9, 30), fit="crop", resize="nearest"),
}


@cache
def graph(signature: Signature) -> Callable[[bytes], Any]:
    """`prepared` as one graph, traced once."""
    import tensorflow as tf

    def ask(content: Any) -> Any:
        return serving.prepared(tf, content, signature)

    made = tf.function(ask, autograph=False, input_signature=[tf.TensorSpec((), tf.string)])
    return lambda content: made(tf.constant(content)).numpy()


@pytest.mark.parametrize("name", SIGNATURES)
def test_no_value_differs(name: str) -> None:
    signature = SIGNATURES[name]
    differing = {
        kind: int((graph(signature)(content) != prepare(content, signature)).sum()) for kind, content in good()
    }
    assert len(differing) > 70
    assert not {kind: count for kind, count in differing.items() if count}


@pytest.mark.parametrize("name", SIGNATURES)
def test_no_value_differs_at_any_size(name: str) -> None:
    """Up, down, both at once, in either order of the passes; JPEGs that libjpeg decodes smaller."""
    signature, rng = SIGNATURES[name], np.random.default_rng(len(name))
    for _ in range(12):
        height, width = (int(np.exp(rng.uniform(0, np.log(900)))) for _ in range(2))
        coarse = rng.integers(0, 256, (1 + height // 9, 1 + width // 9, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        turn = exif(int(rng.integers(1, 9)))
        for content in (saved(image, "JPEG", exif=turn, subsampling=int(rng.integers(3))), saved(image, "PNG")):
            assert (graph(signature)(content) == prepare(content, signature)).all(), (height, width)


@pytest.mark.parametrize("size", [(1, 40_000), (40_000, 1)])
def test_long_strips_are_never_resized_whole(size: tuple[int, int]) -> None:
    """At a short side of 18 they would be 29 megapixels; of 256, more than an image may have."""
    content = saved(photo(*size), "PNG")
    for signature in (SIGNATURES["resized and cut"], Signature((64, 64), fit="crop", resize_to=256)):
        assert (graph(signature)(content) == prepare(content, signature)).all()


def test_turned_as_pillow_turns() -> None:
    import tensorflow as tf

    image = photo(5, 7)
    for value in range(10):
        content = saved(image, "PNG", exif=exif(value)[6:])
        seen = serving.look(tf, tf.constant(content))
        with Image.open(BytesIO(content)) as opened:
            want = np.asarray(ImageOps.exif_transpose(opened))
        found = serving.turned(tf, serving.pixels(tf, tf.constant(content), seen), seen.orientation)
        assert np.array_equal(found.numpy(), want), value


@pytest.mark.parametrize("kind", refused())
def test_refused_with_a_reason(kind: str) -> None:
    import tensorflow as tf

    content, said = refused()[kind]
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        graph(SIGNATURES["stretched"])(content)


def test_the_order_of_passes_can_be_seen() -> None:
    """Pillow before 13 went horizontally first where 13 goes vertically, and other pixels come out."""
    import tensorflow as tf

    image = np.random.default_rng(0).integers(0, 2, (300, 40, 3)).astype(np.uint8) * 255
    cut = Cut((20, 30), (0.0, 0.0, 40.0, 300.0), (0, 0))
    new, old = (
        resample(tf, tf.constant(image), cut, (20, 30), "bicubic", pillow).numpy() for pillow in ((13, 0), (12, 9))
    )
    across = Image.fromarray(image).resize((30, 300), Image.Resampling.BICUBIC)
    assert (old == np.asarray(across.resize((30, 20), Image.Resampling.BICUBIC))).all()
    down = Image.fromarray(image).resize((40, 20), Image.Resampling.BICUBIC)
    assert (new == np.asarray(down.resize((30, 20), Image.Resampling.BICUBIC))).all()
    assert (new != old).any()


def test_what_is_damaged_without_an_error_is_told_from_what_is_refused() -> None:
    """libjpeg fills up what is missing before an end marker: Bakeoff looks for that, a graph doesn't."""
    content = saved(photo(200, 200), "JPEG", quality=95)
    cut = content[: len(content) // 2] + b"\xff\xd9"
    with pytest.raises(DataError, match="truncated"):
        prepare(cut, SIGNATURES["stretched"])
    assert graph(SIGNATURES["stretched"])(cut).shape == (24, 32, 3)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_normalized_without_a_difference(order: str) -> None:
    import tensorflow as tf

    images = np.random.default_rng(0).integers(0, 256, (4, 9, 8, 3), dtype=np.uint8)
    signature = Signature((9, 8), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), channel_order=order)
    found = tf.function(lambda: serving.normalized(tf, tf.constant(images), signature))()
    assert np.array_equal(found.numpy(), normalize(images, signature))


def bundle(loss: str, classes: tuple[str, ...], threshold: float = 0.5) -> Bundle:
    return Bundle(None, Signature((4, 4)), classes, loss=loss, threshold=threshold)  # type: ignore[arg-type]


def test_answers_are_those_of_the_kinds() -> None:
    import tensorflow as tf

    names, logits = ("猫", "b", "c"), np.random.default_rng(0).normal(0, 3, (50, 3)).astype(np.float32)
    logits[0] = 1.0
    found = serving.answered(tf, bundle(SINGLE.loss, names), tf.constant(logits))
    assert np.abs(found["probabilities"] - SINGLE.probabilities(logits)).max() < 2**-24
    assert [one.decode() for one in found["labels"].numpy()] == [names[n] for n in logits.argmax(1)]
    one = logits[:, :1] - 1
    found = serving.answered(tf, bundle(BINARY.loss, names[:2]), tf.constant(one))
    assert np.abs(found["probabilities"] - BINARY.probabilities(one)).max() < 2**-24
    assert [said.decode() for said in found["labels"].numpy()] == [names[n] for n in BINARY.answers(one)]
    found = serving.answered(tf, bundle(MULTILABEL.loss, names, 0.3), tf.constant(logits))
    assert np.abs(found["probabilities"] - MULTILABEL.probabilities(logits)).max() < 2**-24
    assert np.array_equal(found["labels"].numpy() != b"", MULTILABEL.answers(logits, 0.3))


def test_ranked_as_predict_ranks() -> None:
    import tensorflow as tf

    names, logits = ("a", "b", "c"), np.array([[0, 2, 1], [1, 1, 1], [3, 0, 3]], np.float32)
    found = serving.ranked(tf, tf.constant(logits), bundle(SINGLE.loss, names))
    rows = [SINGLE.row(row, names, 0.5, 3)["top"] for row in SINGLE.probabilities(logits)]
    assert [[one.decode() for one in row] for row in found["classes"].numpy()] == [[n for n, _ in row] for row in rows]
    assert np.allclose(found["scores"].numpy(), [[share for _, share in row] for row in rows], atol=2**-24)


@pytest.mark.slow
@pytest.mark.data
def test_photos_of_clothes_are_called_the_same(tmp_path: Path) -> None:
    """The 372 test photos, as bytes into the SavedModel and as `predict` prepares them for ONNX Runtime.

    Probabilities: two libraries add float32 in their own order through 16 blocks; 1e-4 is a hundredth of a percent.
    """
    import tensorflow as tf

    tar = Path(os.environ.get("BAKEOFF_CLOTHES", Path(__file__).parents[3] / "shared" / "data" / "clothing-small.tar"))
    if not tar.exists():
        pytest.skip("the photos of clothes are not here")
    for words in (
        ["train", tar, "--phases", "probe", "--run", "run"],
        ["export", "run", "--to", "savedmodel", "-o", "sm"],
    ):
        subprocess.run(
            [sys.executable, "-m", "bakeoff", *map(str, words)], cwd=tmp_path, check=True, capture_output=True
        )
    with np.load(tmp_path / "run/predictions/test.npz") as test, tarfile.open(tar) as photos:
        names = {str(name) for name in test["paths"]}
        members = [one for one in photos if any(one.name.endswith(name) for name in names)]
        contents = [photos.extractfile(one).read() for one in members]  # type: ignore[union-attr]
    assert len(contents) == 372
    opened = open_model(tmp_path / "run", threads=1)
    images = np.stack([prepare(content, opened.signature) for content in contents])
    assert not sum((graph(opened.signature)(one) != image).sum() for one, image in zip(contents, images, strict=True))
    shares = SINGLE.probabilities(opened.runtime.predict(normalize(images, opened.signature)))
    served = tf.saved_model.load(str(tmp_path / "sm" / "1")).signatures["serving_default"]
    found = [served(bytes=tf.constant(contents[at : at + 31])) for at in range(0, 372, 31)]
    labels = [one.decode() for part in found for one in part["labels"].numpy()]
    assert labels == [opened.classes[at] for at in shares.argmax(1)]
    assert np.abs(np.concatenate([part["probabilities"] for part in found]) - shares).max() < 1e-4
