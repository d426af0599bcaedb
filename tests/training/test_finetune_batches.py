"""What a finetune phase refuses before it trains: nothing to train, and batches that have no variance."""

from __future__ import annotations

import pytest

from bakeoff.errors import UsageError
from bakeoff.graph import Composer, Graph
from bakeoff.ops._dimension import Dim
from bakeoff.recipe.schema import Finetune
from bakeoff.training.finetune.strategy import check_batches, prepared


def net(size: int) -> Graph:
    c = Composer((Dim("batch"), size, size, 3))
    x = c.add("flatten", "flat", c.add("batch_norm", "bn", c.input))
    return c.finish(c.add("dense", "head", x, units=2))


@pytest.mark.parametrize(("batch_size", "count"), [(4, 9), (1, 8), (4, 1)])
def test_one_value_per_channel_is_refused(batch_size: int, count: int) -> None:
    with pytest.raises(UsageError, match=r"bn one value per channel.*\n.*drop_last"):
        check_batches(net(1), Finetune(batch_size=batch_size), count)


def test_other_batches_are_not() -> None:
    check_batches(net(2), Finetune(batch_size=4), 9)  # four cells an image
    check_batches(net(1), Finetune(batch_size=4), 10)
    check_batches(net(1), Finetune(batch_size=4, drop_last=True), 9)
    frozen = Finetune(batch_size=4, batch_norm="frozen")
    check_batches(prepared(net(1), frozen), frozen, 9)


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(UsageError, match="no weight to train"):
        prepared(net(2), Finetune(freeze=("*",)))
    assert prepared(net(2), Finetune(freeze=("bn*",)))
