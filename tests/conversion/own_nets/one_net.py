"""One of the nets: made, converted by `bakeoff.convert`, and compared with what became of it."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import re
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from comparison_of_two import EXACT, UNDECIDED, Judge

HERE = Path(__file__).resolve().parent
SRC = HERE.parents[2] / "src"
MODULES = {"torch_noise": "keras", "torch_shapes": "keras", "keras_plain": "torch", "keras_own": "torch"}
DEADLINE_S = 420
OF_LAYERS = ("mean", "variance", "count", "vector_u", "steps")  # what layers of Keras or of users keep, not weights


def registered() -> dict[str, tuple[str, Any, dict[str, Any]]]:
    """All nets: their module, and what makes them once that is imported."""
    names = {}
    for module in MODULES:
        for line in (HERE / f"{module}.py").read_text().splitlines():
            if line.startswith('    "') and '": (' in line and line.rstrip().endswith("}),"):
                names[line.split('"')[1]] = module
    return names


def one(name: str, quick: bool) -> dict[str, Any]:
    """Convert and judge a net in this process."""
    sys.path[:0] = [str(HERE), str(SRC)]
    module = registered()[name]
    to = MODULES[module]
    began = time.monotonic()
    answer: dict[str, Any] = {"net": name, "to": to, "outcome": "crash", "why": "", "said": [], "notes": "", "rows": []}
    try:
        with deadline():
            (from_torch if to == "keras" else from_keras)(name, module, quick, answer)
    except Exception as error:
        _refusal(error, answer)
    answer["seconds"] = round(time.monotonic() - began, 1)
    return answer


class TooLongError(Exception):
    """A net took longer than the deadline."""


@contextlib.contextmanager
def deadline() -> Any:
    def late(*_: Any) -> None:
        raise TooLongError(f"longer than {DEADLINE_S} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(DEADLINE_S)
    try:
        yield
    finally:
        signal.alarm(0)


def _refusal(error: Exception, answer: dict[str, Any]) -> None:
    from bakeoff import errors

    lines = str(error).splitlines()
    if isinstance(error, errors.WorkerError) or not isinstance(error, errors.BakeoffError):
        tail = traceback.format_exception(error)[-4:]
        answer["why"] = f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
        answer["traceback"] = "".join(tail)[-1500:]
        return
    answer["outcome"] = "refused"
    answer["why"] = f"{type(error).__name__}: {' | '.join(lines)[:600]}"


def converted(model: Any, to: str, answer: dict[str, Any], **options: Any) -> Any:
    """`bakeoff.convert`; what it asks to be accepted is accepted, and noted."""
    import bakeoff
    from bakeoff.errors import DeclaredError

    if to == "keras":  # torch's own running variance; that Keras's differs has tests of its own
        options["batch_norm"] = "exact"
    try:
        native, certificate = bakeoff.convert(model, to=to, **options)
    except DeclaredError as error:
        names = re.findall(r"--accept (\w+)", str(error))
        answer["asked"] = str(error)[:1500]
        native, certificate = bakeoff.convert(model, to=to, accept=names, **options)
    assert certificate.passed
    answer["notes"] = certificate.environment.get("notes", "")
    answer["declared"] = [str(one) for one in certificate.declared]
    text = json.dumps([answer["notes"], answer["declared"]])
    answer["said_fixed"] = "alone" in text or "this size" in text
    return native


def jitter(arrays: dict[str, Any], chosen: set[str], positive: set[str]) -> dict[str, Any]:
    """Weights as after some training: all numbers differ, in float32."""
    draw, seen, found = np.random.default_rng(1), set(), {}
    for name, array in arrays.items():
        if name not in chosen:
            continue
        new = array * (1 + 0.2 * draw.normal(size=array.shape)) + 0.03 * draw.normal(size=array.shape)
        new = np.asarray(np.abs(new) + 0.2 if name in positive else new, "float32").ravel()
        for place in range(len(new)):
            while (value := float(new[place])) in seen or value == 0:
                new[place] = np.nextafter(new[place], np.float32(np.inf))
            seen.add(value)
        found[name] = new.reshape(array.shape)
    return found


def from_torch(name: str, module: str, quick: bool, answer: dict[str, Any]) -> None:
    """A torch net, live, to Keras."""
    import torch
    import torch._dynamo  # before TensorFlow, whose LLVM doesn't bear it later

    make, options = importlib.import_module(module).NETS[name]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = make()
    fresh = {key: value.clone() for key, value in net.state_dict().items()}
    arrays = {key: value.detach().numpy() for key, value in net.named_parameters()}
    arrays |= {key: value.numpy() for key, value in net.named_buffers() if "running" in key}
    changed = jitter(arrays, set(arrays), {key for key in arrays if "running_var" in key})
    _load(net, changed)
    size = options.get("size", (32, 32))
    before = _around(net)
    native = converted(net, "keras", answer, input_size=size)
    disturbed = _disturbed(before, _around(net))

    from sides import KerasSide, TorchSide, doubled

    torch.manual_seed(1)
    twin = make()
    twin.load_state_dict(net.state_dict())
    source, target = TorchSide(twin), KerasSide(doubled(native))
    options = {**options, "said_fixed": answer.pop("said_fixed")}
    if None not in tuple(native.input_shape[1:3]):
        options["size"], options["fixed"] = tuple(native.input_shape[1:3]), True
    judge = Judge(source, target, options, quick)
    start = source.flat(
        {key: fresh[key].double().numpy() if key in fresh else old for key, old in source.arrays().items()}
    )
    judge.run(start)
    conclude(judge, disturbed, answer)


def _load(net: Any, changed: dict[str, Any]) -> None:
    import torch

    with torch.no_grad():
        for key, tensor in [*net.named_parameters(), *net.named_buffers()]:
            if key in changed:
                tensor.copy_(torch.from_numpy(changed[key]))


def _around(net: Any = None) -> dict[str, Any]:
    """What a call must leave as it was."""

    import torch

    state = np.random.get_state()
    found = {"Python's random state": random.getstate(), "NumPy's random state": (state[1].tobytes(), state[2])}
    found["torch's random state"] = torch.get_rng_state().numpy().tobytes()
    found["torch's default dtype"] = torch.get_default_dtype()
    if "keras" in sys.modules:
        keras = sys.modules["keras"]
        found["Keras's floatx"] = keras.config.floatx()
        found["Keras's policy"] = keras.config.dtype_policy().name
    if isinstance(net, torch.nn.Module):
        found["its training modes"] = [part.training for part in net.modules()]
        found["its state dict"] = [(key, value.detach().numpy().tobytes()) for key, value in net.state_dict().items()]
        found["its attributes"] = [
            (path, key, value)
            for path, part in net.named_modules()
            for key, value in vars(part).items()
            if isinstance(value, bool | int | float | str)
        ]
    elif net is not None:
        found["its weights"] = [(v.path, v.numpy().tobytes()) for v in net.variables]
        found["what is trainable"] = [layer.trainable for layer in net._flatten_layers()]
    return found


def _disturbed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in before if before[key] != after[key]]


def from_keras(name: str, module: str, quick: bool, answer: dict[str, Any]) -> None:
    """A Keras net, live, to torch."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import torch
    import torch._dynamo  # before TensorFlow, whose LLVM doesn't bear it later

    torch.set_num_threads(1)
    import keras
    from sides import KerasSide, TorchSide, doubled

    make, options = importlib.import_module(module).NETS[name]
    keras.utils.set_random_seed(0)
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(options.get("policy", "float32"))
    net = make()
    fresh = [v.numpy() for v in net.variables]
    arrays = {str(i): np.asarray(v, "float32") for i, v in enumerate(fresh) if str(v.dtype).startswith("float")}
    names = {str(i): v.path.rsplit("/", 1)[-1] for i, v in enumerate(net.variables)}
    chosen = {key for key in arrays if names[key] not in OF_LAYERS}
    changed = jitter(arrays, chosen, {key for key in chosen if names[key] == "moving_variance"})
    for key, array in changed.items():
        net.variables[int(key)].assign(array)
    before = _around(net)
    native = converted(net, "torch", answer)
    disturbed = _disturbed(before, _around(net))
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")  # regularizers compute in it, whatever their layer's own type
    twin = doubled(net) if options.get("policy") else make()
    for old, new in zip(net.variables, twin.variables, strict=True):
        new.assign(old.numpy())
    source = KerasSide(twin, options.get("head", ""))
    same_rates(net, twin)
    if options.get("augments"):  # varied pictures can't be handed over: what is left out has to be declared
        without_augmentation(twin)
    target = TorchSide(native, penalty_of(native))
    options = {**options, "said_fixed": answer.pop("said_fixed")}
    judge = Judge(source, target, options, quick)
    old = {v.path: np.asarray(a, "float64") for v, a in zip(twin.variables, fresh, strict=True) if a.dtype.kind in "fV"}
    names = {key: key.split(":", 1)[1] for key in source.names}
    judge.run(source.flat({key: old.get(names[key], array) for key, array in source.arrays().items()}))
    conclude(judge, disturbed, answer)


def same_rates(net: Any, twin: Any) -> None:
    """Keras's L1 keeps its rate as a tensor of the type of the day: the twin has the net's, not a more exact one."""
    for old, new in zip(net._flatten_layers(), twin._flatten_layers(), strict=True):
        for name, regularizer in vars(old).items():
            if type(regularizer).__name__ == "L1":
                getattr(new, name).l1 = np.float64(regularizer.l1)


def without_augmentation(model: Any) -> None:
    """Layers named Random... change nothing."""
    for layer in model._flatten_layers():
        if type(layer).__name__.startswith("Random"):
            layer.call = lambda inputs, *_, **__: inputs


def penalty_of(native: Any) -> Any:
    """What the conversion states beside a torch net: a function of its parameters that is added to the loss."""
    return getattr(native, "penalty", None)


def conclude(judge: Judge, disturbed: list[str], answer: dict[str, Any]) -> None:
    """The outcome, and the worst of each kind of check."""
    wrong = [row for row in judge.rows if not row[1] <= row[2]]
    undecided = [row for row in judge.rows if row[2] > UNDECIDED and row[1] <= row[2] and row[1] > EXACT]
    answer["checks"] = len(judge.rows)
    answer["said"] = judge.said
    answer["undecided"] = sorted({row[0] for row in undecided})
    passing = [row[1] for row in judge.rows if row[1] <= row[2] and row not in undecided]
    answer["largest_right"] = max(passing, default=0.0)
    seen: dict[str, tuple[str, float, float, str]] = {}
    for row in wrong:
        seen[row[0]] = max(seen.get(row[0], row), row, key=lambda one: one[1])
    answer["rows"] = [[name, str(difference), limit, where] for name, difference, limit, where in seen.values()]
    in_training = all("train" in row[0] or "draws" in row[0] for row in wrong)
    answer["disturbed"] = disturbed
    if not wrong and judge.options.get("augments") and not answer["declared"]:
        answer["outcome"], answer["why"] = "WRONG", "its augmentation is left out, and nothing is declared"
    elif not wrong:
        answer["outcome"] = "declared" if answer["declared"] else "right"
    else:
        answer["outcome"] = "declared" if answer["declared"] and in_training else "WRONG"
