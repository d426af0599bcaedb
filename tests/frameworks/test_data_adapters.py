"""What users of one framework take alone: the same images, normalised the same, each pass another epoch."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bakeoff.data import Data, Epochs, read_data
from bakeoff.errors import UsageError
from bakeoff.loaders import for_tensorflow, for_torch
from bakeoff.preprocessing import Signature, normalize

SIGNATURE = Signature((6, 5), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))


@pytest.fixture
def data(tmp_path: Path) -> Data:
    draw = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / name).mkdir()
        for index in range(20):
            Image.fromarray(draw.integers(0, 256, (8, 9, 3), dtype=np.uint8)).save(tmp_path / name / f"{index}.png")
    return read_data(tmp_path)


def adapter(framework: str, split: Any, **options: Any) -> Any:
    return {"torch": for_torch, "tensorflow": for_tensorflow}[framework](split, **options)


def passes(framework: str, batches: Any, count: int = 2) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Images channels last, and labels."""
    move = (0, 2, 3, 1) if framework == "torch" else (0, 1, 2, 3)
    return [[(x.numpy().transpose(move), y.numpy()) for x, y in batches] for _ in range(count)]


@pytest.mark.torch
@pytest.mark.tensorflow
@pytest.mark.parametrize("preset", ["none", "standard", "strong"])
def test_batches_are_those_of_the_split(framework: str, data: Data, preset: str) -> None:
    options: dict[str, Any] = {"signature": SIGNATURE, "batch_size": 8, "seed": 3}
    batches = adapter(framework, data.train, augment=preset, **options)
    assert len(batches) == -(-len(data.train) // 8)
    for epoch, found in enumerate(passes(framework, batches)):
        expected = list(data.train.batches(epoch=epoch, augment=preset, **options))
        assert len(found) == len(expected)
        for (images, labels), batch in zip(found, expected, strict=True):
            assert images.dtype == np.float32
            assert np.array_equal(images, normalize(batch.images, SIGNATURE))
            assert labels.dtype == (np.float32 if preset == "strong" else np.int64)
            assert np.array_equal(labels, batch.labels)


@pytest.mark.torch
@pytest.mark.tensorflow
def test_pixels_as_they_are_and_other_splits_in_their_order(framework: str, data: Data) -> None:
    assert data.test is not None
    batches = adapter(framework, data.test, signature=SIGNATURE, dtype="uint8")
    for found in passes(framework, batches):
        (images, labels), *rest = found
        assert not rest
        assert images.dtype == np.uint8
        assert np.array_equal(images, data.pixels(SIGNATURE)[data.test.indices])
        assert np.array_equal(labels, data.test.labels)


@pytest.mark.torch
def test_torch_goes_on_in_the_middle_of_an_epoch(framework: str, data: Data) -> None:
    def loader() -> Any:
        return for_torch(data.train, signature=SIGNATURE, batch_size=4, augment="strong")

    def hashes(batches: Any) -> list[str]:
        return [hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest() for x, y in batches]

    whole = loader()
    expected = hashes(whole) + hashes(whole)
    for stop in (0, 3, len(whole) - 1, len(whole)):
        first = loader()
        seen = [pair for _, pair in zip(range(stop), first, strict=False)] if stop else []
        state = first.state_dict()
        assert state == {"epoch": stop // len(whole), "batch": stop % len(whole)}
        other = loader()
        other.load_state_dict(state)
        rest = hashes(other) + (hashes(other) if stop < len(whole) else [])
        assert hashes(seen) + rest == expected
    whole.set_epoch(0)
    assert hashes(whole) == expected[: len(whole)]
    with pytest.raises(UsageError, match="expected what state_dict"):
        whole.load_state_dict({"epoch": 0, "batch": 99})


@pytest.mark.torch
def test_torch_tensors_lie_as_users_expect(framework: str, data: Data) -> None:
    import torch

    kept = [x for x, _ in for_torch(data.train, signature=SIGNATURE, batch_size=8)]
    assert all(x.is_contiguous() and x.view(len(x), -1).shape[1] == 90 for x in kept)
    last = [x for x, _ in for_torch(data.train, signature=SIGNATURE, batch_size=8, channels_last=True)]
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in last)
    assert all(torch.equal(a, b) for a, b in zip(kept, last, strict=True))


@pytest.mark.tensorflow
def test_keras_trains_on_it(framework: str, data: Data) -> None:
    import keras

    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert data.validation is not None
    history = model.fit(
        for_tensorflow(data.train, signature=SIGNATURE, batch_size=8),
        validation_data=for_tensorflow(data.validation, signature=SIGNATURE),
        epochs=2,
        verbose=0,
        shuffle=False,  # it is shuffled already, and Keras warns that it can't
    )
    assert np.isfinite(history.history["loss"] + history.history["val_loss"]).all()


@pytest.mark.torch
@pytest.mark.tensorflow
def test_what_cannot_be_used_is_refused_at_once(framework: str, data: Data) -> None:
    for options in ({"dtype": "float16"}, {"batch_size": 0}, {"augment": "lite"}, {"cache": "ram"}):
        with pytest.raises(UsageError):
            adapter(framework, data.train, signature=SIGNATURE, **options)


def test_an_epoch_is_the_same_in_every_process(data: Data) -> None:
    """The hash is that of the other frameworks' processes, too."""
    digest = hashlib.sha256()
    for batch in Epochs(data.train, signature=SIGNATURE, batch_size=8, augment="strong", workers=2):
        digest.update(batch.images.tobytes() + batch.labels.tobytes() + batch.records.tobytes())
    assert digest.hexdigest()[:16] == "41174694e5c99242"
