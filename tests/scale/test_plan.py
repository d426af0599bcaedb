"""`plan`: the formulas, by hand; what is refused; a measurement from end to end."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

import bakeoff
from bakeoff.errors import CorruptError, UsageError
from bakeoff.scale.api import number, read
from bakeoff.scale.costs import Units, Wanted, exchange_s, forecast, shard_s

UNITS = Units(
    machine="a machine, 4 cores",
    framework="torch",
    recipe="one",
    version="0",
    cores=4,
    shards=4,
    batch_size=40,
    epochs=3,
    training=400,
    validation=40,
    test=60,
    shard_s=0.4,
    shard_alone_s=0.25,
    apply_s=0.01,
    input_s=0.001,
    read_s=0.002,
    decode_s=0.008,
    forward_s=0.02,
    start_s=10.0,
    loop_s=0.004,
    loop_alone_s=0.002,
    exchange_s=0.001,
    vector_s=0.005,
    vector_bytes=1_000_000,
    memory_bytes=500_000_000,
    image_bytes=3000,
)


def test_one_worker_by_hand() -> None:
    found = forecast(UNITS, Wanted())
    assert found.step_s == pytest.approx(4 * 0.25 + 0.01 + 40 * 0.001 + 0.002)
    assert found.epoch_s == pytest.approx(10 * 1.052 + 40 * 0.021)
    assert found.start_s == pytest.approx(10 + 500 * (0.002 + 0.008 / 4))
    assert found.total_s == pytest.approx(found.start_s + 3 * found.epoch_s + 100 * 0.021)
    assert (found.steps, found.bound, found.exchange_s) == (30, "gradients", 0.0)


def test_four_workers_by_hand() -> None:
    found = forecast(UNITS, Wanted(workers=4, price=2.0))
    assert found.step_s == pytest.approx(0.4 + 0.001 + 3 * 0.005 + 0.01 + 10 * 0.001 + 0.004)
    assert found.epoch_s == pytest.approx(10 * found.step_s + 10 * 0.021)
    assert found.start_s == pytest.approx(10 + 500 * (0.002 + 0.008))  # a thread each
    assert found.price == pytest.approx(2 * found.total_s / 3600)


def test_cores_that_are_shared_are_slower() -> None:
    assert shard_s(UNITS, 2) == pytest.approx(0.25 + 0.15 / 3)
    assert shard_s(UNITS, 8) == pytest.approx(0.8)


def test_a_slow_network_is_what_a_step_waits_for() -> None:
    near, far = Wanted(workers=4, machines=1), Wanted(workers=4, machines=2, network=1e7)
    assert exchange_s(UNITS, near) == pytest.approx(0.016)
    assert exchange_s(UNITS, far) == pytest.approx(0.001 + 2 * 2 * 1e6 / 1e7)
    assert forecast(UNITS, far).bound == "exchange"
    assert forecast(UNITS, far).machine_hours == pytest.approx(2 * forecast(UNITS, far).total_s / 3600)


def test_more_images_are_more_steps() -> None:
    found = forecast(UNITS, Wanted(images=5_000_000))
    assert found.steps == 3 * 100_000
    assert found.decoded_bytes == 5_000_000 * 3000


@pytest.mark.parametrize(("text", "value"), [("50000", 50_000), ("50k", 50_000), ("100m", 10**8), ("1.5b", 1.5e9)])
def test_numbers_of_images(text: str, value: float) -> None:
    assert number(text, "--pictures") == value


@pytest.mark.parametrize("text", ["", "0", "-5", "many", "1e3", "5mm", "nan"])
def test_what_is_no_number_of_images(text: str) -> None:
    with pytest.raises(UsageError, match="expected a number of images"):
        number(text, "--pictures")


@pytest.fixture
def held(tmp_path: Path) -> Path:
    path = tmp_path / "there.json"
    path.write_text(json.dumps(msgspec.to_builtins(UNITS)))
    return path


def test_another_machine_is_planned_from_what_was_measured_there(held: Path) -> None:
    found = bakeoff.plan(device=held, workers=2, images=1000, quiet=True)
    assert found.units == UNITS
    assert found.to_json()["forecast"]["steps"] == 60
    with pytest.raises(UsageError, match="Unit costs are measured, never guessed"):
        bakeoff.plan(device=held.with_name("h100"), quiet=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"workers": 3}, "expected one of 1, 2, 4"),
        ({"workers": 4, "machines": 2}, "how fast is the network"),
        ({"workers": 2, "machines": 4, "network": 1e9}, "more than the 2 workers"),
        ({"price": -1.0}, "expected a number above 0"),
        ({"measure": "x.json"}, "leave --device out"),
    ],
)
def test_what_can_not_be_planned(held: Path, asked: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        bakeoff.plan(device=held, quiet=True, **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no images were named"):
        bakeoff.plan(quiet=True)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"machine": 3}', "\udc80"])
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "there.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CorruptError, match="no unit costs"):
        read(path)
    for key, value in (("shard_s", -1), ("cores", 0), ("training", "x"), ("more", 1)):
        path.write_text(json.dumps({**msgspec.to_builtins(UNITS), key: value}))
        with pytest.raises(CorruptError, match="no unit costs"):
            read(path)


@pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")
def test_units_are_measured_here(digits: Path, tmp_path: Path) -> None:
    kept = tmp_path / "here.json"
    units = bakeoff.plan(digits, "mnist-cnn", framework="torch", workers=2, measure=kept, quiet=True).units
    assert 0 < units.apply_s < units.shard_alone_s
    assert units.vector_bytes >= 4 * 374  # every parameter of the net
    assert (units.shards, units.batch_size) == (4, 64)
    assert read(kept) == units
