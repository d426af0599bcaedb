"""Batches that go to a device as bytes: the same numbers there, and the same training. Here the device is the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_order_of_batches import RECIPE
from test_resume import session

from bakeoff.data import Data, read_data
from bakeoff.preprocessing import Signature
from bakeoff.preprocessing.normalize import normalize
from bakeoff.recipe import loads
from bakeoff.schemas import Array

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SIGNATURES = {
    "RGB": Signature((9, 7), **IMAGENET),
    "BGR": Signature((9, 7), channel_order="BGR", **IMAGENET),
    "grey": Signature((9, 7), channels=1, mean=(0.1307,), std=(0.3081,)),
}


def feed(framework: str, signature: Signature, dtype: str = "float32") -> Any:
    """A framework's, to the CPU."""
    if framework == "torch":
        import torch

        from bakeoff.frameworks.torch.feed import Feed

        return Feed(torch.device("cpu"), signature, dtype)
    if framework == "tensorflow":
        from bakeoff.frameworks.tensorflow.feed import Feed as TensorFlowFeed

        return TensorFlowFeed("/CPU:0", signature, dtype)
    import jax

    from bakeoff.frameworks.jax.feed import Feed as JaxFeed

    return JaxFeed(jax.local_devices()[0], signature, dtype)


@pytest.mark.parametrize("name", SIGNATURES)
def test_bytes_become_the_same_numbers(framework: str, name: str) -> None:
    signature = SIGNATURES[name]
    pixels = np.random.default_rng(0).integers(0, 256, (64, 9, 7, signature.channels), dtype=np.uint8)
    for dtype in ("float32",) if framework == "jax" else ("float32", "float64"):
        one = feed(framework, signature, dtype)
        given = pixels.copy()
        put = one.put(given)
        given[:] = 0  # the loader uses its buffers again
        found: Array = np.asarray(one.normal(put))
        assert found.dtype == dtype
        assert np.array_equal(found, normalize(pixels, signature, dtype))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """75 images to train on, in batches of 8."""
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    pixels, labels = draw.integers(0, 256, (100, 8, 8), dtype=np.uint8), np.arange(100) % 3
    np.savez(path, x_train=pixels[:84], y_train=labels[:84], x_test=pixels[84:], y_test=labels[84:])
    return read_data(path)


def test_a_training_that_is_fed_has_the_same_bits(framework: str, data: Data, tmp_path: Path) -> None:
    ends = []
    for fed in (False, True):
        loop = session(framework, data, tmp_path / str(fed), loads(RECIPE), "3 steps")
        if fed:
            one = feed(framework, loop.context.signature)
            asked: list[int] = []
            put = one.put
            one.put = lambda images, put=put, asked=asked: asked.append(len(images)) or put(images)
            loop.net.feed = lambda signature, one=one: one  # type: ignore[method-assign]
        loop.run()
        loop.context.run.close()
        ends.append({path: array.tobytes() for path, array in loop.net.arrays().items()})
    assert len(asked) > 4
    assert ends[0] == ends[1]
