"""What numbers a training computes with, and in what its weights are kept.

float32 and float64 are one for everything. bfloat16 and float16 are mixed (Micikevicius et al., 2018, sections 3.1 and
3.2): convolutions, products and activations in 16 bits; parameters, optimizer slots, statistics of batch norm, softmax
and losses in float32. float16 has so small a range that the loss is scaled (`frameworks/_loss_scale.py`).
"""

from __future__ import annotations

from bakeoff.errors import UsageError

NAMES = ("float32", "float64", "bfloat16", "float16")
MIXED = ("bfloat16", "float16")
ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8 / 2}


def of_weights(precision: str) -> str:
    """The dtype of weights, slots, losses and of the images that go in: float32 where 16 bits are mixed in."""
    return "float32" if precision in MIXED else precision


def check_device(precision: str, device: str) -> None:
    """Refuse what no CPU does well: float16 is slower there than float32, and bfloat16 needs no scaling.

    Raises:
        UsageError: float16 on the CPU.
    """
    if precision == "float16" and device == "cpu":
        raise UsageError("--precision float16 is for a GPU, and this runs on the CPU. Use --precision bfloat16 here.")
