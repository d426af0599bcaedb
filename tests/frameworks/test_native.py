"""Gradients that a framework's own collective adds, against one worker that has the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bakeoff.frameworks._collective import free_port
from bakeoff.schemas import Array

SCRIPT = Path(__file__).with_name("one_of_two.py")
LOSS = {"float32": 1e-5, "float64": 1e-12}  # relative: sums of a few thousand numbers in another order
WEIGHTS = {"float32": 1e-4, "float64": 1e-12}

Found = dict[str, Array]


@pytest.fixture(scope="module", params=["float32", "float64"])
def found(request: pytest.FixtureRequest, framework: str, tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What two workers came to, and one that has all; with the precision."""
    folder, address = tmp_path_factory.mktemp("found"), f"127.0.0.1:{free_port('127.0.0.1')}"
    settings = {"JAX_ENABLE_X64": "1"} if request.param == "float64" else {}
    processes = {
        rank: subprocess.Popen(
            [sys.executable, str(SCRIPT), framework, request.param, rank, address, str(folder / f"{rank}.npz")],
            env={**os.environ, "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", **settings},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1", "alone")
    }
    said = {rank: process.communicate(timeout=180)[1] for rank, process in processes.items()}
    for rank, process in processes.items():
        assert process.returncode == 0, f"{rank}: {said[rank][-3000:]}"
    return [dict(np.load(folder / f"{rank}.npz")) for rank in processes]


def worst(one: Found, other: Found, part: str) -> float:
    """The largest difference among the arrays of a part, relative to the largest number among them."""
    names = [name for name in other if name.startswith(f"{part}/") and not name.endswith("/loss")]
    assert names
    top = max(np.abs(other[name]).max() for name in names)
    return max(float(np.abs(one[name] - other[name]).max()) for name in names) / float(top)


def parts(found: Found) -> set[str]:
    return {name.partition("/")[0] for name in found}


def test_the_first_gradient_and_the_steps_are_those_of_one_worker(found: list[Found]) -> None:
    first, _, alone = found
    precision = str(alone["gradient/head.kernel"].dtype)
    scaled = {"scale", "scaled step", "overflow"} if precision == "float32" else set()
    assert {"gradient", "decay, micro-batches"} | scaled <= parts(alone)
    for part in sorted(parts(alone) - {"local"}):
        mine, expected = float(first[f"{part}/loss"]), float(alone[f"{part}/loss"])
        assert abs(mine - expected) <= LOSS[precision] * max(1.0, abs(expected)), part
        assert worst(first, alone, part) <= WEIGHTS[precision], part


def test_all_workers_have_the_same_bits(found: list[Found]) -> None:
    first, second, _ = found
    assert all(np.array_equal(array, second[name]) for name, array in first.items())


def test_an_overflow_of_one_worker_is_everyones(found: list[Found]) -> None:
    for one in found if "overflow/loss" in found[0] else ():
        assert one["overflow/loss"] == 0  # no weight moved
        assert (one["overflow/scale"], one["overflow/skipped"]) == (2.0**5, 1)


def test_a_share_that_is_left_out_would_show(found: list[Found], framework: str) -> None:
    """The mutation: the first worker's own gradient is told from that of the batch."""
    first, _, alone = found
    share = {name.replace("the first share", "gradient"): a for name, a in first.items() if "first share" in name}
    assert worst(share, alone, "gradient") > 100 * WEIGHTS["float32"]
    if framework == "torch":  # and so is batch norm that sees a part of it
        assert worst(first, alone, "local") > 100 * WEIGHTS["float32"]
