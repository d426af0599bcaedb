"""`bakeoff train`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bakeoff import registry
from bakeoff.cli import _options as options
from bakeoff.errors import UsageError
from bakeoff.files import absent

if TYPE_CHECKING:
    from bakeoff.rundir.result import Result
    from bakeoff.training.api import Trained

PANEL, PLACE = "Make", 2
_run = partial(typer.Option, rich_help_panel="Run")
_usual = partial(typer.Option, rich_help_panel="Usual changes of the recipe")
LOGGERS = registry.either(registry.names("bakeoff.training.loggers"))
EXAMPLES = (
    ("bakeoff train photos", "a new head; then more backbones or the top of the net, kept only if better"),
    ("bakeoff train photos --phases probe", "the new head alone: seconds to a minute on a laptop"),
    ("bakeoff train photos --budget 10m", "the best that fits in ten minutes, and why"),
    ("bakeoff train digits -r mnist-cnn --framework tensorflow", "from scratch, in TensorFlow"),
    ("bakeoff train digits -r mnist-cnn --set phases.0.epochs=3", "any key of the recipe can be changed"),
    ("bakeoff train list.csv --label-separator '|'", "images with several labels: one sigmoid a class"),
    ("bakeoff train photos --phases probe,finetune --precision bfloat16", "16 bits in the step, float32 weights"),
    ("bakeoff train --resume runs/photos-1", "go on after Ctrl-C, a crash or a power cut, as if nothing had been"),
    ("bakeoff train photos -r photos-whole --workers 4 --cluster auto", "on the nodes of a Ray cluster"),
    ("bakeoff train digits -r mnist-cnn --log tensorboard", "and watch it: tensorboard --logdir runs"),
    ("bakeoff train photos --json > result.json", "for programs"),
)


Data = Annotated[
    Path | None,
    typer.Argument(metavar="DATA", help="Class folders, a list, an archive, arrays, a URL, ...", show_default=False),
]
Framework = Annotated[
    str | None,
    options.computing(
        metavar="NAME", help="torch, tensorflow (tf), jax, onnxruntime (probe alone); the first installed otherwise."
    ),
]
Backbone = Annotated[str | None, options.weights(metavar="NAME", help="A pretrained net (bakeoff models).")]
Weights = Annotated[
    Path | None, options.weights("--weights", metavar="FILE", help="A file of weights, for a backbone of LIBRARY/NAME.")
]
RandomWeights = Annotated[
    bool, options.weights("--random-weights", help="Draw the weights of a backbone of LIBRARY/NAME.")
]
Start = Annotated[
    Path | None,
    options.weights("--start", metavar="RUN", help="A run or bundle of the same net, to start from its weights."),
]
Until = Annotated[str | None, options.weights(metavar="STAGE", help="Cut the backbone behind this stage.")]
Epochs = Annotated[int | None, _usual(metavar="N", min=1, help="Of fine-tuning.")]
BatchSize = Annotated[int | None, _usual(metavar="N", min=1, help="Images a step.")]
Lr = Annotated[float | None, _usual(metavar="RATE", help="The highest learning rate.")]
Augment = Annotated[str | None, _usual(metavar="NAME", help="As none, light, standard, strong, digits.")]
Size = Annotated[str | None, _usual(metavar="H,W", help="Images are brought to it.")]
Device = Annotated[Literal["auto", "cpu", "cuda", "gpu"], options.computing(help="Where; gpu is cuda.")]
Compile = Annotated[
    Literal["off", "on", "auto"],
    options.computing(help="Compile the step (torch.compile, XLA); auto measures whether it pays. JAX always does."),
]
Resume = Annotated[
    Path | None,
    _run("--resume", metavar="RUN", help="Go on with a run that was stopped or killed, from its checkpoint."),
]
CheckpointEvery = Annotated[
    str | None,
    _run("--checkpoint-every", metavar="30s|N", help="How often: a time, or a number of steps; 30s otherwise."),
]
Workers = Annotated[
    str | None,
    options.computing(
        metavar="N|env", help="Processes that train together, with the same bits for 1, 2 or 4; env: as torchrun says."
    ),
]
WorkerTimeout = Annotated[
    str | None, options.computing(metavar="TIME", help="How long a worker is waited for in a step; 10m otherwise.")
]
Reduce = Annotated[
    Literal["exact", "native"] | None,
    options.computing(help="How workers add: in one order, or by the framework's own means: quicker, other rounding."),
]
Budget = Annotated[
    str | None,
    typer.Option("--budget", metavar="TIME", help="As 10m: the best recipe for photos that fits, measured here."),
]
Profile = Annotated[bool, _run("--profile", help="Print where the time went.")]
Log = Annotated[list[str] | None, _run("--log", metavar="NAME", help=f"Log to {LOGGERS}, too; may be repeated.")]


def command(
    data: Data = None,
    recipe: options.RecipeName = "photos",
    overrides: options.Overrides = None,
    framework: Framework = None,
    backbone: Backbone = None,
    weights: Weights = None,
    random_weights: RandomWeights = False,
    mirror: options.Mirror = None,
    offline: options.Offline = False,
    until: Until = None,
    start: Start = None,
    phases: options.Phases = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    augment: Augment = None,
    size: Size = None,
    seed: options.Seed = None,
    run: options.RunFolder = None,
    device: Device = "auto",
    precision: options.Precision = "float32",
    compile: Compile = "off",
    threads: options.Threads = None,
    workers: Workers = None,
    worker_timeout: WorkerTimeout = None,
    reduce: Reduce = None,
    cluster: options.Cluster = None,
    bad_files: options.BadFiles = None,
    follow_links: options.FollowLinks = False,
    separator: options.Separator = None,
    columns: options.LabelColumns = None,
    resume: Resume = None,
    checkpoint_every: CheckpointEvery = None,
    budget: Budget = None,
    log: Log = None,
    profile: Profile = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train a classifier on the images of DATA, and leave a run folder behind."""
    from bakeoff.system import process_start
    from bakeoff.training import api
    from bakeoff.training.options import Options
    from bakeoff.workers.progress import progress

    backbone, names = _weighted(backbone, weights, random_weights), options.listed(phases, "--phases")
    usual = {"epochs": epochs, "batch_size": batch_size, "schedule.peak": lr}
    changes = [*options.shortcuts(recipe, names, usual, augment, size), *(overrides or [])]
    changes += options.bad_file_changes(bad_files)
    changes += options.label_changes(separator, columns) + (["data.follow_links=true"] if follow_links else [])
    often: dict[str, Any] = {"checkpoint_every": checkpoint_every} if checkpoint_every else {}
    with progress() as listen, options.network(mirror, offline):
        both: dict[str, Any] = {"threads": threads, "listen": listen, "began": process_start(), **often}
        if resume is not None:
            _alone(recipe, changes, backbone, until, start, phases, seed, run, budget, log, reduce, precision, compile)
            moved = None if device == "auto" else device
            trained = api.resume(
                resume,
                data=data,
                framework=framework,
                device=moved,
                workers=_workers(workers),
                cluster=cluster,
                **both,
            )
        elif data is None:
            raise UsageError("no images were named. As: bakeoff train DATA; or go on with a run: --resume RUN")
        else:
            both |= {"workers": _workers(workers)} | ({"worker_timeout": worker_timeout} if worker_timeout else {})
            both |= {"reduce": reduce} if reduce else {}
            both |= {"cluster": cluster, "until": until, "start": start, "budget": budget, "loggers": log or ()}
            rest = Options(precision=precision, compile=compile, **both)
            trained = api.train(
                data,
                recipe,
                framework=framework,
                run=run,
                overrides=changes,
                phases=names,
                backbone=backbone,
                seed=seed,
                device=device,
                options=rest,
            )
    if trained.result:
        _show(trained, data, recipe, json, profile)


def _workers(given: str | None) -> Any:
    """A number where it is one."""
    return int(given) if given and given.isdigit() else given


def _weighted(backbone: str | None, weights: Path | None, random_weights: bool) -> str | None:
    """The name of a backbone with its weights behind it: `timm/resnet18@random`, `timm/resnet18@mine.pth`."""
    if weights is None and not random_weights:
        return backbone
    option = "--random-weights" if random_weights else f"--weights {weights}"
    if backbone is None or "/" not in backbone or "+" in backbone or (weights and random_weights):
        raise UsageError(f"{option}: is for one backbone by name, as --backbone timm/resnet18; give one of the two.")
    if weights is not None and not weights.is_file():
        raise UsageError(f"{option}: {absent(weights, 'file')} Expected a .pth, .safetensors, .keras or .h5 file.")
    return f"{backbone}@{weights.resolve() if weights else 'random'}"


def _alone(recipe: str, changes: list[str], *others: object) -> None:
    """A run goes on with the recipe, seed and folder that it began with."""
    *unset, precision, compiled = others
    if recipe != "photos" or changes or unset != [None] * len(unset) or (precision, compiled) != ("float32", "off"):
        raise UsageError(
            "--resume goes on with the run's own recipe, seed and precision: leave the other options out.\n"
            "What may change: --framework, --device, --threads, --workers, --cluster, --checkpoint-every; where DATA is"
        )


def _show(trained: Trained, data: Path | None, recipe: str, json: bool, profile: bool) -> None:
    """Write the report; say what came out, to a program or a person."""
    import time

    from bakeoff.cli._output import print_json
    from bakeoff.reports import report

    began = time.perf_counter()
    report(trained.path)
    drawn = time.perf_counter() - began
    if json:
        print_json(trained.result)
    else:
        _summary(trained, data, recipe)
    if profile:
        _profile({**trained.profile, "report": drawn})


def _summary(trained: Trained, data: Path | None, recipe: str) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out
    from bakeoff.evaluation import measures
    from bakeoff.evaluation.kinds import choice_of

    result, console = trained.facts, out.console()
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column()
    for split in ("test", "validation"):
        scored = getattr(result, split)
        if scored["accuracy"] is not None:
            share, spread = out.percent(scored["accuracy"]), out.interval(scored["accuracy_interval"])
            text = f"{share} of {scored['num']:,} images, {spread}"
            if (choice := choice_of(scored)) != "accuracy":
                low, high = scored["accuracy_interval"]
                text = f"{measures.title(choice)} {out.percent(scored[choice])} of {scored['num']:,} images; "
                text += f"all labels right: {share} ({100 * low:.1f} to {100 * high:.1f})"
            rows.add_row(split, f"[bold]{text}[/bold]" if split == "test" else text)
        if "tta" in scored:
            averaged = scored["tta"]
            rows.add_row("", f"{out.percent(averaged['accuracy'])} with mirror images averaged")
    for phase in result.phases:
        if "gate" in phase:
            rows.add_row("fine-tuning" if phase["name"] == "finetune" else "backbones", _decision(phase["gate"]))
    rows.add_row("trained on", f"{result.num_train:,} images, {len(result.classes)} classes")
    if result.excluded:
        rows.add_row("left out", f"{len(result.excluded)} bad files, listed in run.json")
    rows.add_row("time", f"{out.seconds(result.wall_s)} ({_phases(result)})")
    rows.add_row("run", out.shell(trained.path))
    console.print()
    console.print(_headline(result))
    console.print(rows)
    _next(trained, data, recipe)


def _profile(seconds: dict[str, float]) -> None:
    """Where the time went, to stderr: results may go to a program."""
    from rich.table import Table

    from bakeoff.cli import _output as out
    from bakeoff.workers.progress import console

    rows = Table("stage", "seconds", "share", box=None, pad_edge=False)
    for name, wall in [*seconds.items(), ("all", sum(seconds.values()))]:
        rows.add_row(name, f"{wall:8.2f}", out.percent(wall / sum(seconds.values())))
    console(stderr=True).print(rows)


def _decision(gate: dict[str, Any]) -> str:
    """Whether a phase that had to prove itself was kept."""
    from bakeoff.cli import _output as out
    from bakeoff.training.gate import left_out

    if "interval" not in gate:
        return f"left out: {left_out(gate)}"
    low, high = (f"{100 * side:+z.1f}" for side in gate["interval"])
    found = (
        f"validation {out.percent(gate['before'])} before, {out.percent(gate['after'])} after, {low} to {high} points"
    )
    return f"{'kept' if gate['kept'] else 'rejected, the net is as before it'}: {found}"


def _headline(result: Result) -> str:
    """What was trained, and in what; a probe alone runs in no training framework."""
    from bakeoff.texts.catalogue import framework

    name = f"[bold]{result.model or result.backbone}[/bold]"
    if not any(phase["name"] == "finetune" and phase["wall_s"] for phase in result.phases):
        return f"{name} under a new head, {result.parameters:,} parameters"
    where = framework(result.framework)
    return f"{name} in {where}, {result.parameters:,} parameters"


def _phases(result: Result) -> str:
    from bakeoff.cli import _output as out

    done = [p for p in result.phases if p["wall_s"]]
    return "; ".join(f"{p['name']} {out.seconds(p['wall_s'])}, {out.count(p['images_per_s'])} images/s" for p in done)


def _next(trained: Trained, data: Path | None, recipe: str) -> None:
    from bakeoff import frameworks
    from bakeoff.cli import _output as out
    from bakeoff.recipe import load, to_toml

    steps = [f"bakeoff predict {out.shell(trained.path)} IMAGES"]
    two = frameworks.installed()[:2]
    if data is not None and len(two) == 2 and any(phase["name"] == "finetune" for phase in trained.facts.phases):
        held = trained.path / "recipe.toml"  # with all that the options changed
        name = recipe if to_toml(load(recipe)) == held.read_text(encoding="utf-8") else held
        more = "" if two == ("torch", "tensorflow") else f" --frameworks {','.join(two)}"
        steps.append(f"bakeoff compare {out.shell(data)} --recipe {out.shell(name)}{more}")
    out.next_steps(*steps, f"open {out.shell(trained.path / 'report.html')}")
