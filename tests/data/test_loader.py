import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
from image_folders import write_folder

from bakeoff.data import Data, images, read_data
from bakeoff.errors import UsageError
from bakeoff.preprocessing import Signature, prepare
from bakeoff.schemas import Batch


@pytest.fixture(params=["memory", "disk", "streamed"])
def data(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """A data set whose images fit in memory, one that is kept on disk, and one that fits nowhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param != "memory":
        monkeypatch.setattr(images, "KEPT_BYTES", 100)
    if request.param == "streamed":
        monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", "0")
    return read_data(write_folder(tmp_path / "images", {"a": 40, "b": 40, "c": 20}))


def digest(batches: list[Batch]) -> str:
    text = hashlib.sha256()
    for batch in batches:
        for array in (batch.images, batch.labels, batch.records):
            text.update(array.tobytes())
    return text.hexdigest()


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_same_for_any_number_of_workers(data: Data, workers: int) -> None:
    alone = list(data.train.batches(size=(7, 9), batch_size=8, workers=0))
    for _ in range(2):  # decoded, and kept
        assert digest(list(data.train.batches(size=(7, 9), batch_size=8, workers=workers))) == digest(alone)
    other = read_data(data.path)
    assert digest(list(other.train.batches(size=(7, 9), batch_size=8, workers=workers))) == digest(alone)


def test_a_batch_is_what_prepare_gives(data: Data) -> None:
    signature = Signature((5, 5), fit="crop", resize="bicubic", resize_to=6)
    for epoch in (0, 1):
        for batch in data.train.batches(signature=signature, batch_size=16, epoch=epoch):
            assert batch.images.dtype == np.uint8
            assert batch.labels.dtype == batch.records.dtype == np.int64
            for image, label, record in zip(batch.images, batch.labels, batch.records, strict=True):
                path = str(data.manifest.paths[record])
                assert np.array_equal(image, prepare(data.path / path, signature))
                assert data.classes[label] == path[0]


def test_an_epoch_has_every_image_once_in_an_order_of_its_own(data: Data) -> None:
    def records(**options: int) -> list[int]:
        batches = data.train.batches(size=(4, 4), batch_size=7, **options)
        return np.concatenate([batch.records for batch in batches]).tolist()

    assert sorted(records()) == data.train.indices.tolist()
    assert records(shuffle=False) == data.train.indices.tolist()
    assert records() == records()
    assert len({tuple(records(seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


@pytest.mark.parametrize("drop_last", [False, True])
def test_begun_at_any_batch_the_rest_is_the_same(data: Data, drop_last: bool) -> None:
    options = {"size": (4, 4), "batch_size": 9, "seed": 3, "epoch": 2, "drop_last": drop_last}
    whole = list(data.train.batches(**options))
    for start in range(len(whole) + 2):
        assert digest(list(data.train.batches(**options, start=start))) == digest(whole[start:])


def test_drop_last(data: Data) -> None:
    count = len(data.train)
    sizes = [len(batch.labels) for batch in data.train.batches(size=(4, 4), batch_size=9)]
    assert sizes == [9] * (count // 9) + [count % 9] * (count % 9 > 0)
    full = [len(batch.labels) for batch in data.train.batches(size=(4, 4), batch_size=9, drop_last=True)]
    assert full == [9] * (count // 9)


def decoding_threads() -> int:
    return sum(thread.name.startswith("bakeoff-decode") for thread in threading.enumerate())


def test_leaving_early_leaves_no_thread(data: Data) -> None:
    batches = data.train.batches(size=(4, 4), batch_size=4, workers=3)
    next(batches)
    assert decoding_threads() > 0
    batches.close()  # type: ignore[attr-defined]
    assert decoding_threads() == 0
    for _ in data.train.batches(size=(5, 5), batch_size=4, workers=3):
        break
    assert decoding_threads() == 0


def test_an_error_in_a_thread_arrives(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("from a thread")

    monkeypatch.setattr(images, "render", fail)
    with pytest.raises(RuntimeError, match="from a thread"):
        list(data.train.batches(size=(4, 4), workers=2))
    assert decoding_threads() == 0


def test_only_a_few_batches_are_decoded_ahead(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    real = images.render
    monkeypatch.setattr(images, "render", lambda *a: (decoded.append(0), real(*a))[1])
    batches = data.train.batches(size=(4, 4), batch_size=4, workers=2)
    next(batches)
    assert len(decoded) <= 4 * 3
    batches.close()  # type: ignore[attr-defined]


def test_a_batch_belongs_to_who_asked(data: Data) -> None:
    first = next(data.train.batches(size=(4, 4)))
    before = first.images.copy()
    first.images[:] = 0
    assert np.array_equal(next(data.train.batches(size=(4, 4))).images, before)


def test_left_out_size_is_the_images_own(data: Data) -> None:
    assert next(data.train.batches()).images.shape[1:] == (6, 8, 3)


@pytest.mark.parametrize(
    "arguments", [{"batch_size": 0}, {"workers": -1}, {"start": -1}, {"batch_size": 2.5}, {"size": (0, 3)}]
)
def test_arguments_that_cannot_be_used(data: Data, arguments: dict) -> None:
    with pytest.raises(UsageError, match=f"^{next(iter(arguments))} is"):
        data.train.batches(**arguments)


def test_size_and_signature_must_agree(data: Data) -> None:
    with pytest.raises(UsageError, match="one of the two"):
        data.train.batches(size=(3, 3), signature=Signature((4, 4)))
