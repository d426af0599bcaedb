"""What the two censuses share: the questions, what counts as passed, the loop over models, a JSON line each."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _child import Child

from bakeoff.conversion.questions import loss_of, roles_of
from bakeoff.parity import Trace, relative
from bakeoff.parity import trial as trials
from bakeoff.parity.noise import between_losses, without_gradient, worst
from bakeoff.parity.tolerance import FLOAT64, GRADIENTS, LOSSES, MOST, NOISE, STATISTICS, with_noise
from bakeoff.parity.trial import Trial, trained

Record = dict[str, Any]
IMAGES, TRAINING = 3, 4
# Adam divides by the size of a gradient: this epsilon keeps one that is 0 but for rounding from becoming a full step.
ADAMW = ("adamw", {"beta1": 0.875, "beta2": 1 - 2**-10, "epsilon": 2**-13, "weight_decay": 2**-6})
OPTIMIZERS = {"sgd": trials.SGD, "adamw": ADAMW}
# The rows of 0.1 were judged by these; what is judged now goes by `bakeoff.parity`.
LOGITS32, LOGITS64, LOSS64, GRADIENT64, STATE64 = 1e-4, FLOAT64, 1e-6, 1e-5, 1e-5
STEPS64 = {"losses": LOSS64, "gradients": GRADIENT64, "statistics": STATE64, "weights": STATE64}
STEPS32 = {"losses": LOSSES, "gradients": GRADIENTS, "statistics": STATISTICS, "weights": GRADIENTS}
CENTRED64 = 1e-8  # the difference between images is smaller than the logits
BLIND = 1e-6  # images whose logits differ by less prove nothing
DRAWS = 3  # of the noise of a training in float32: whether a relu flips for a rounding is chance
BOTH = ("float64", "float32")
SIDES = ("torch", "keras", "jax")

# what is asked --------------------------------------------------------------------------------------------------------


def trainings(steps: str, work: float, nodes: int, adamw: bool = False) -> list[str]:
    """What is trained: with `auto` what takes a minute at most, by multiplications an image and nodes."""
    if steps == "none" or (steps == "auto" and (work > 8e8 or nodes > 900)):
        return []
    single = ["sgd.float32"] if steps == "all" or (nodes < 130 and work < 3e8) else []
    return ["sgd.float64", *(["adamw.float64"] if adamw else []), *single]


def questions(classes: int, draw: Callable[[int], Any]) -> Record:
    """Images and labels; `draw` gives as many images, channels last, as it is asked for."""
    trace = {"x": draw(IMAGES)} | {f"train{k}": draw(TRAINING) for k in range(trials.STEPS)}
    return trace | {f"labels{k}": trials.labels(TRAINING, classes, k) for k in range(trials.STEPS)}


def traced(net: Any, trace: Record, precision: str, optimizer: str, loss: str) -> Record:
    """Four steps of a net on the batches of a trace; the keys have optimizer and precision in front."""
    steps = [(trace[f"train{k}"].astype(precision), trace[f"labels{k}"]) for k in range(trials.STEPS)]
    found = trained(net, Trial({}, steps, None, loss, OPTIMIZERS[optimizer], Everything()))
    kept = {"losses": found.losses["training"]}
    kept |= {f"gradient/{path}": array for path, array in found.of("training").items()}
    kept |= {f"after/{path}": array for path, array in found.weights.items()}
    return {f"{optimizer}.{precision}.{key}": array for key, array in kept.items()}


class Everything(dict[str, str]):
    """Roles of parameters before the graph is at hand: each is judged."""

    def get(self, path: str, default: Any = None) -> str:
        return "weight"


def asked(
    live: Callable[[str], Any], trace: Record, wanted: list[str], loss: str, precisions: tuple[str, ...] = BOTH
) -> Record:
    """The source's answers: logits, and the trainings that are wanted, as "sgd.float64"."""
    found = {}
    for precision in precisions:
        net = live(precision)
        found[precision] = net.logits(trace["x"].astype(precision))
        for index, training in enumerate(one for one in wanted if one.endswith(precision)):
            optimizer = training.partition(".")[0]
            net = live(precision) if index else net
            before = net.arrays() if precision == "float32" else {}
            found |= traced(net, trace, precision, optimizer, loss)
            for draw in range(DRAWS if precision == "float32" else 0):
                net.load(before)
                again = traced(net, rounded(trace, draw), precision, optimizer, loss)
                found |= {f"draw{draw}.{key}": array for key, array in again.items()}
        del net
    return found


def rounded(trace: Record, seed: int) -> Record:
    """The training images, each number changed by a rounding of float32."""
    draw, size = np.random.default_rng(seed), np.finfo("float32").eps
    chosen = {key: array for key, array in trace.items() if key.startswith("train")}
    return trace | {key: array * (1 + size * draw.uniform(-1, 1, array.shape)) for key, array in chosen.items()}


def noise(trace: Record) -> Record:
    """What the source loses by computing in float32, and by how much its logits differ between images."""
    exact = trace.get("float64", trace["float32"])
    both = difference("floor", trace["float32"], exact)
    spread = np.abs(exact - exact.mean(0)).max() / np.abs(exact).max()
    return {"floor": both["floor"], "centred_floor": both["floor_centred"], "spread": float(spread)}


def difference(name: str, found: Any, expected: Any) -> dict[str, float]:
    """Logits, and how those of one image differ from the others'."""
    both = relative(found, expected), relative(found - found.mean(0), expected - expected.mean(0))
    return dict(zip((name, f"{name}_centred"), both, strict=True))


# what the other side says ---------------------------------------------------------------------------------------------


def answered(side: str, rebuilt: Callable[[str], Any], graph: Any, trace: Record) -> Record:
    """The rebuilt net, held against a trace: logits, weights, counts, steps."""
    from bakeoff.conversion.work import counts

    record: Record = {}
    for precision in BOTH if side != "jax" else BOTH[:1]:
        if precision not in trace:
            continue
        net = rebuilt(precision)
        if precision == graph.dtype:
            record[f"{side}_bits"] = same_bits(rounded_constants(graph), net.arrays())
            record[f"{side}_count"] = counts(net, graph)["trainable"] + passengers(graph)
        record |= difference(f"{side}_{precision}", net.logits(trace["x"].astype(precision)), trace[precision])
        trained = [name for name in OPTIMIZERS if f"{name}.{precision}.losses" in trace]
        for index, optimizer in enumerate(trained if side != "jax" else trained[:1]):
            record |= steps(side, rebuilt(precision) if index else net, graph, trace, precision, optimizer)
        del net
    return record


def rounded_constants(graph: Any) -> Record:
    """The graph's arrays; constants that were folded more finely than the net computes as the net must hold them."""
    fine = {path for path, p in graph.parameters.items() if p.role == "constant" and p.array.dtype == np.float64}
    return {path: a.astype(graph.dtype) if path in fine else a for path, a in graph.arrays().items()}


def same_bits(expected: Any, found: Any) -> bool:
    """Whether what the net holds is what the graph holds; bits, not numbers."""
    pairs = ((expected[path], array) for path, array in found.items())
    return all(a.dtype == b.dtype and a.tobytes() == np.ascontiguousarray(b).tobytes() for a, b in pairs)


def passengers(graph: Any) -> int:
    """Trainable numbers that the forward pass never reads: they travel in the graph."""
    unused = (p for path, p in graph.parameters.items() if p.role == "weight" and not graph.users[path])
    return sum(p.array.size for p in unused if p.trainable)


def steps(side: str, net: Any, graph: Any, trace: Record, precision: str, optimizer: str) -> Record:
    """Four steps against the source's in float64; in float32 with how far from that the source's own are."""
    loss = loss_of(graph)
    found = part(traced(net, trace, precision, optimizer, loss), f"{optimizer}.{precision}.")
    expected = {p: part(trace, f"{optimizer}.{p}.") for p in ("float32", "float64")}
    head = "" if optimizer == "sgd" else f"{optimizer}_"
    ends = ("64" if precision == "float64" else "32") + ("_jax" if side == "jax" else "")
    record = {f"{head}{k}{ends}": value for k, (value, _) in differences(found, expected["float64"], graph).items()}
    if precision == "float32":
        draws = [expected["float32"], *(part(trace, f"draw{draw}.sgd.float32.") for draw in range(DRAWS))]
        floors = [differences(draw, expected["float64"], graph) for draw in draws if draw]
        record |= {f"{head}{name}_floor": max(floor[name][0] for floor in floors) for name in STEPS32}
    return record


def differences(found: Record, expected: Record, graph: Any) -> dict[str, tuple[float, str]]:
    """How far two trainings are apart, and where, by kind."""
    roles = roles_of(graph)

    def group(record: Record, prefix: str, role: str) -> Record:
        return {path: a for path, a in part(record, prefix).items() if roles.get(path) == role}

    def as_trace(record: Record) -> Trace:
        return Trace(
            losses={"training": record["losses"]}, gradients={"training": group(record, "gradient/", "weight")}
        )

    one, other = as_trace(found), as_trace(expected)
    nothing = without_gradient(other)
    return {
        "gradients": worst(one.of("training"), other.of("training"), nothing),
        "losses": (float(between_losses(one, other).max(initial=0.0)), ""),
        "statistics": worst(group(found, "after/", "state"), group(expected, "after/", "state")),
        "weights": worst(group(found, "after/", "weight"), group(expected, "after/", "weight"), nothing),
    }


def part(trace: Record, prefix: str) -> Record:
    return {key.removeprefix(prefix): array for key, array in trace.items() if key.startswith(prefix)}


# what counts as passed ------------------------------------------------------------------------------------------------


def judged(record: Record) -> bool:
    """Whether a record is a success."""
    return "error" not in record and not failures(record)


def limits(record: Record) -> dict[str, float]:
    """Every figure that a record may have, and its tolerance."""
    logits = {
        "float32": with_noise(LOGITS32, record["floor"]),
        "float32_centred": with_noise(LOGITS32, record["centred_floor"]),
        "float64": LOGITS64,
        "float64_centred": CENTRED64,
    }
    found = {f"{side}_{key}": limit for side in SIDES for key, limit in logits.items()}
    for head in ("", "adamw_"):
        for name, limit in STEPS64.items():
            found |= {f"{head}{name}64": limit, f"{head}{name}64_jax": limit}
            floor = record.get(f"{head}{name}_floor", 0.0)
            found[f"{head}{name}32"] = with_noise(STEPS32[name], floor) if shows(floor) else math.inf
    return found


def shows(floor: float) -> bool:
    """Whether a figure of float32 says anything: where the source parts from itself by as much, it doesn't."""
    return NOISE * floor <= MOST


def failures(record: Record) -> list[str]:
    """What is outside its tolerance, by its key; NaN is."""
    failed = [key for key, limit in limits(record).items() if key in record and not record[key] <= limit]
    failed += [key for key in ("bits", *(f"{side}_bits" for side in SIDES)) if not record.get(key, key != "bits")]
    failed += [
        key for key in (f"{side}_count" for side in SIDES) if record.get(key, record["count"]) != record["count"]
    ]
    return failed + ["same_count"] * (not record["same_count"]) + ["spread"] * (not record["spread"] > BLIND)


# the loop -------------------------------------------------------------------------------------------------------------


def made_by() -> Record:
    """The commit and the versions of a record."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    names = ("torch", "torchvision", "timm", "transformers", "tensorflow", "keras", "jax")
    installed = [name for name in names if importlib.util.find_spec(name)]
    return {"commit": commit, "versions": {name: importlib.metadata.version(name) for name in installed}}


def measured(record: Record, first: Child, question: Record, others: dict[str, Child], limit: float) -> Record:
    """A model through its stages; the first that fails says why."""
    record |= made_by()
    with tempfile.TemporaryDirectory() as folder:
        record |= first.ask("source", limit, folder=folder, **question)
        for framework, child in others.items():
            if "error" not in record:
                record |= child.ask("target", limit, folder=folder)
                record[f"{framework}_s"] = record.pop("target_s", None)
                record |= {"stage": framework} if "error" in record else {}
    record["passed"] = judged(record)
    return record


def message(record: Record) -> str:
    """A line for the eye."""
    keys = [f"{side}_{kind}" for side in SIDES for kind in ("float32", "float64")]
    keys += [*(f"{name}64" for name in STEPS64), "gradients32", "gradients_floor"]
    shown = " ".join("-" if record.get(key) is None else f"{record[key]:.0e}" for key in keys)
    seconds = "+".join(str(record[key]) for key in record if key.endswith("_s"))
    head = f"{'ok  ' if record['passed'] else 'FAIL'} {record['model']}:{record.get('size', '')} {shown} {seconds} s"
    why = record["error"].strip().splitlines()[-1:] if "error" in record else failures(record)
    return head if record["passed"] else f"{head} {' '.join(why)[-400:]}"


def options(description: str | None) -> argparse.ArgumentParser:
    """Those of both censuses."""
    if len(sys.argv) == 1:  # `make bench`
        print("skipped: a census takes an hour and more; name a file for its lines")
        raise SystemExit(0)
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="*", help="default: all that OUT has no passed line of")
    parser.add_argument("--steps", choices=("auto", "all", "none"), default="auto", help="auto: the lighter ones")
    parser.add_argument("--limit", type=int, default=300, help="seconds for a stage")
    parser.add_argument("--together", type=int, default=6, help="models that share their processes")
    return parser


def remaining(out: Path, names: list[str]) -> list[str]:
    """Those whose last line in the file is no success."""
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    last = {line["model"]: line["passed"] for line in lines}
    return [name for name in names if not last.get(name.partition(":")[0] if "/" in name else name)]


def loop(
    given: argparse.Namespace, names: list[str], ask: Callable[[str, dict[str, Child]], Record], children: Any
) -> None:
    """Ask for each model, in processes that a few of them share; write and show its line."""
    passed = 0
    for first in range(0, len(names), given.together):
        group = {name: Child(script, environment) for name, (script, environment) in children.items()}
        for name in names[first : first + given.together]:
            record = ask(name, group)
            passed += record["passed"]
            with given.out.open("a") as file:
                file.write(json.dumps(record) + "\n")
            print(message(record), flush=True)
        for child in group.values():
            child.close()
    print(f"{passed} of {len(names)}")
