"""The unit costs of a training on one kind of machine, and what they add up to: docs/explanation/scale.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Some = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class Units(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Measured on one machine, for one recipe in one framework. Times are seconds of one process.

    Attributes:
        schema: 1.
        machine, framework, recipe, version: where, in what, of what, by which Bakeoff.
        cores: of the machine.
        shards, batch_size, epochs: of the recipe.
        training, validation, test: how many images of the data went to which split.
        shard_s: gradients of a shard, every core being at one.
        shard_alone_s: the same, the others being idle.
        apply_s: one optimizer step.
        input_s: an image that is decoded becomes input.
        read_s: an image is found, hashed and put into the list of all.
        decode_s: an image is read and decoded, by one thread.
        forward_s: an image is predicted.
        start_s: from the start of a process to its first step, the images apart.
        loop_s: what the loop does around a step (logs, checks, bookkeeping), every core being at one.
        loop_alone_s: the same, the others being idle.
        exchange_s: all workers of one machine say something, and hear the answer.
        vector_s: what a further worker's gradients add to that.
        vector_bytes: of these gradients.
        memory_bytes: peak of a worker's process, decoded images apart.
        image_bytes: a decoded image.
    """

    machine: str
    framework: str
    recipe: str
    version: str
    cores: Some
    shards: Some
    batch_size: Some
    epochs: Some
    training: Some
    validation: Count
    test: Count
    shard_s: Seconds
    shard_alone_s: Seconds
    apply_s: Seconds
    input_s: Seconds
    read_s: Seconds
    decode_s: Seconds
    forward_s: Seconds
    start_s: Seconds
    loop_s: Seconds
    loop_alone_s: Seconds
    exchange_s: Seconds
    vector_s: Seconds
    vector_bytes: Count
    memory_bytes: Count
    image_bytes: Count
    schema: int = 1


@dataclass(frozen=True)
class Wanted:
    """What is asked about.

    Attributes:
        workers: all of them.
        machines: that they are spread over, evenly.
        images: of all splits; None: as measured.
        network: bytes a second between machines; needed where there are several.
        price: of a machine for an hour, in any currency.
    """

    workers: int = 1
    machines: int = 1
    images: int | None = None
    network: float | None = None
    price: float | None = None


@dataclass(frozen=True)
class Forecast:
    """What it would take. Times in seconds, memory in bytes.

    Attributes:
        step_s: one step, of which the next five are parts.
        gradients_s: the shards of a worker, one after the other.
        exchange_s: gradients to the first worker, and the sum back.
        apply_s: the optimizer's.
        input_s: decoded images become input.
        loop_s: what the loop does around a step.
        start_s: until the first step, the decoding of all images included.
        epoch_s: all steps, and validation.
        total_s: all of it.
        steps: in all.
        machine_hours: of all machines.
        memory_bytes: of a worker's process, decoded images apart.
        decoded_bytes: all images, decoded: held by each worker, in memory as far as it reaches, then on disk.
        price: where one was given.
        bound: what takes most of a step.
    """

    step_s: float
    gradients_s: float
    exchange_s: float
    apply_s: float
    input_s: float
    loop_s: float
    start_s: float
    epoch_s: float
    total_s: float
    steps: int
    machine_hours: float
    memory_bytes: int
    decoded_bytes: int
    price: float | None
    bound: str

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return dict(vars(self))


def forecast(units: Units, wanted: Wanted) -> Forecast:
    """What these units add up to.

    A worker takes its shards one after the other, each as long as it was measured with so many cores at work. Gradients
    go to the first worker, which adds them, and the sum goes back: one vector each way for every other worker. Every
    worker decodes all images once, since all are looked at before anything is trained; evaluation is shared out.
    """
    scale = 1.0 if wanted.images is None else wanted.images / (units.training + units.validation + units.test)
    training, held_out = round(scale * units.training), round(scale * (units.validation + units.test))
    together = math.ceil(wanted.workers / wanted.machines)
    parts = {
        "gradients": units.shards // wanted.workers * shard_s(units, together),
        "exchange": exchange_s(units, wanted),
        "apply": units.apply_s,
        "input": units.batch_size / wanted.workers * units.input_s,
        "loop": units.loop_alone_s if together == 1 else units.loop_s,
    }
    step = sum(parts.values())
    steps = math.ceil(training / units.batch_size)
    judged = scale * units.validation / wanted.workers * (units.forward_s + units.input_s)
    epoch = steps * step + judged
    threads = max(1, units.cores // together)
    begin = units.start_s + (training + held_out) * (units.read_s + units.decode_s / threads)
    end = held_out / wanted.workers * (units.forward_s + units.input_s)
    total = begin + units.epochs * epoch + end
    hours = wanted.machines * total / 3600
    return Forecast(
        step_s=step,
        **{f"{name}_s": seconds for name, seconds in parts.items()},
        start_s=begin,
        epoch_s=epoch,
        total_s=total,
        steps=units.epochs * steps,
        machine_hours=hours,
        memory_bytes=units.memory_bytes,
        decoded_bytes=(training + held_out) * units.image_bytes,
        price=None if wanted.price is None else hours * wanted.price,
        bound=max(parts, key=lambda name: parts[name]),
    )


def shard_s(units: Units, together: int) -> float:
    """Seconds of a shard while so many workers of a machine are at one: between alone and all cores, in a line."""
    if units.cores == 1 or together == 1:
        return units.shard_alone_s
    share = (min(together, units.cores) - 1) / (units.cores - 1)
    slowed = units.shard_alone_s + share * (units.shard_s - units.shard_alone_s)
    return slowed * max(1.0, together / units.cores)


def exchange_s(units: Units, wanted: Wanted) -> float:
    """Seconds of a step's exchange; between machines no quicker than the network carries two vectors a worker."""
    if wanted.workers == 1:
        return 0.0
    away = wanted.workers - math.ceil(wanted.workers / wanted.machines)  # workers on other machines than the first's
    carried = 2 * away * units.vector_bytes / wanted.network if wanted.network and away else 0.0
    return units.exchange_s + max((wanted.workers - 1) * units.vector_s, carried)
