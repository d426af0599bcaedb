"""What a training is asked to do, in one value that can be sent to a worker."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from bakeoff import precision as precisions
from bakeoff.errors import UsageError
from bakeoff.recipe.schema import Finetune, Recipe
from bakeoff.training.loggers import logger
from bakeoff.training.loop.cadence import parse, seconds_of


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        data: where the images are.
        recipe: resolved, as TOML.
        framework: torch, tensorflow, jax or onnxruntime.
        run: the run folder.
        seed: of split, start weights, order and dropout.
        device: cpu, cuda or auto.
        started_by: who starts the workers.
        precision, compile, threads, start, checkpoint_every, loggers, workers, worker_timeout, reduce, cluster: as in
            `Options`; in a worker on a node of a cluster, `cluster` is that one's address.
    """

    data: str
    recipe: str
    framework: str
    run: str
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    device: str = "cpu"
    precision: str = "float32"
    threads: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    start: str | None = None
    checkpoint_every: str | None = None
    loggers: tuple[str, ...] = ()
    compile: str = "off"
    workers: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    worker_timeout: str = "10m"
    started_by: Literal["local", "env"] = "local"
    reduce: Literal["exact", "native"] = "exact"
    cluster: str | None = None

    @property
    def dtype(self) -> str:
        """Of weights, losses and inputs."""
        return precisions.of_weights(self.precision)

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return dataclasses.asdict(self)


DEVICES = ("auto", "cpu", "cuda")
COMPILE = ("off", "on", "auto")


def shared(job: Job, recipe: Recipe) -> Recipe:
    """The recipe as its workers train it: where the framework adds, a shard is what a worker has of a batch."""
    if job.reduce == "exact":
        return recipe
    replace = msgspec.structs.replace
    phases = (replace(one, shards=job.workers) if isinstance(one, Finetune) else one for one in recipe.phases)
    return replace(recipe, phases=tuple(phases))


def check(job: Job, recipe: Recipe) -> None:
    """What can be refused before any image is read.

    Raises:
        UsageError: a precision, device, framework or augmentation that can't be used.
        MissingDependencyError: the framework isn't installed.
    """
    from bakeoff import frameworks
    from bakeoff.data.augment import augmentation

    augmentation(recipe.augment.preset, recipe.augment.operations)
    for name in job.loggers:
        logger(name)
    if job.checkpoint_every is not None:
        parse(job.checkpoint_every)
    _check_workers(job, shared(job, recipe))
    if job.precision not in precisions.NAMES:
        raise UsageError(f"--precision {job.precision}: expected one of {', '.join(precisions.NAMES)}.")
    if job.compile not in COMPILE:
        raise UsageError(f"--compile {job.compile}: expected one of {', '.join(COMPILE)}.")
    precisions.check_device(job.precision, job.device)
    if job.device not in DEVICES:
        raise UsageError(f"--device {job.device}: expected one of {', '.join(DEVICES)}.")
    if job.framework == "onnxruntime":
        if any(isinstance(phase, Finetune) for phase in recipe.phases):
            raise UsageError(
                "ONNX Runtime can't fine-tune: this recipe has a `finetune` phase.\n"
                "Choose --framework torch, tensorflow or jax (pip install 'bakeoff[torch]'), or --phases probe."
            )
    else:
        frameworks.require(job.framework)
    if any(isinstance(phase, Finetune) for phase in recipe.phases):
        return
    if job.device == "cuda":
        raise UsageError("--device cuda: the probe runs on the CPU. Use --device cpu, or auto.")
    if job.precision in precisions.MIXED:
        raise UsageError(
            f"--precision {job.precision}: this recipe only probes, in float32. Leave it out, or add a finetune phase."
        )


def _check_workers(job: Job, recipe: Recipe) -> None:
    """UsageError where so many workers can't do what the recipe says."""
    seconds_of(job.worker_timeout, "--worker-timeout")
    for number, phase in enumerate(recipe.phases):
        if not isinstance(phase, Finetune) or not phase.shards:
            continue
        if phase.batch_norm == "synchronised":
            _check_synchronised(job)
        if phase.batch_size < phase.shards and job.reduce == "native":
            raise UsageError(f"--workers {job.workers}: more than the {phase.batch_size} images of a batch.")
        if phase.batch_size < phase.shards:
            raise UsageError(
                f"a batch of {phase.batch_size} images can't be cut into {phase.shards} shards.\n"
                f"Use a larger batch_size, or fewer: --set phases.{number}.shards={phase.batch_size}"
            )
        if job.compile != "off":
            raise UsageError(f"--compile {job.compile}: steps in shards run as they are. Leave it out.")
        if job.workers and phase.shards % job.workers:
            counts = [n for n in range(1, phase.shards + 1) if phase.shards % n == 0]
            raise UsageError(
                f"--workers {job.workers}: the recipe's batches are {phase.shards} shards, as many for each worker: "
                f"expected one of {', '.join(map(str, counts))}.\n"
                f"Or other shards, which is another training: --set phases.{number}.shards={job.workers}"
            )


def _check_synchronised(job: Job) -> None:
    """UsageError where batch norm can't see a whole batch that is shared out."""
    from bakeoff.texts.catalogue import framework

    what, other = 'batch_norm = "synchronised"', 'Use "train", which sees a worker\'s part of the batch, or "frozen".'
    if job.reduce == "exact":
        raise UsageError(f"{what}: a shard is computed by itself; it needs --reduce native.\n{other}")
    if job.framework != "torch":
        raise UsageError(f"{what} over several workers: not in {framework(job.framework)} yet.\n{other}")


def computed_by(job: Job, recipe: Recipe) -> str:
    """Whose run it is: a probe alone runs in ONNX Runtime, whatever framework was asked for."""
    return job.framework if any(isinstance(phase, Finetune) for phase in recipe.phases) else "onnxruntime"


def device_of(job: Job, recipe: Recipe) -> str:
    """cpu or cuda: what `auto` came to."""
    from bakeoff import frameworks

    name = computed_by(job, recipe)
    if job.device == "auto":
        return "cpu" if name == "onnxruntime" else frameworks.load(name).found_device()
    return job.device
