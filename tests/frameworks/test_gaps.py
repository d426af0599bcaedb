"""What a page says is not translated meets the error that it names: a gap that has closed, or another error, fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness import native, one_node

from bakeoff import ops
from bakeoff.errors import UnsupportedError
from bakeoff.ops import page
from bakeoff.ops._page import Case, Gap

PROCESS = {"torch": "torch", "keras": "tensorflow", "onnx": "torch"}  # where the library's gaps run


def of(op: str) -> list[Any]:
    """Each gap of a page, once for each of its libraries."""
    return [
        pytest.param(op, gap, library, marks=getattr(pytest.mark, PROCESS[library]), id=f"{op}: {what}: {library}")
        for what, gap in page(op).GAPS.items()
        for library in gap.libraries.split(", ")
    ]


def meet(op: str, gap: Gap, library: str) -> None:
    """Lower the case, or capture the call."""
    if not isinstance(gap.call, Case):
        captured(library, gap.call, gap.free)
    elif library == "onnx":
        from bakeoff.runtimes._onnx_build import to_onnx

        to_onnx(one_node(op, gap.call, "float64", gap.free), dtype="float64")
    else:
        native(PROCESS[library], one_node(op, gap.call, "float64", gap.free), "float64")


def captured(library: str, call: Callable[[Any, Any], Any], free: bool) -> Any:
    """A net that makes the call on images of 6 x 6, and ends in logits."""
    if library == "torch":
        import torch

        from bakeoff.frameworks.torch.capture import capture

        class Net(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return call(torch, x).flatten(1)  # type: ignore[no-any-return]

        return capture(Net(), input_size=None if free else (6, 6))
    import keras

    from bakeoff.frameworks._keras.capture import capture as keras_capture

    x = keras.Input((None, None, 3) if free else (6, 6, 3))
    y = call(keras, x)
    return keras_capture(keras.Model(x, keras.ops.mean(y, tuple(range(1, len(y.shape) - 1)))))


@pytest.mark.parametrize(("op", "gap", "library"), [one for op in ops.names() for one in of(op)])
def test_a_gap_meets_its_error(op: str, gap: Gap, library: str) -> None:
    with pytest.raises(UnsupportedError) as met:
        meet(op, gap, library)
    assert gap.error in str(met.value)
