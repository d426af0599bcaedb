"""The real command under kill -9, Ctrl-C and SIGTERM: every run ends as the one that nobody touched."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.rundir import checkpoint
from bakeoff.rundir.readers import read_json, read_lines

STEPS = 46  # an epoch of the digits' training set in batches of 32
MLP = ("--recipe", "mnist-mlp", "--set", "phases.0.batch_size=32", "--threads", "1")  # dropout, Adam
CNN = ("--recipe", "mnist-cnn", "--set", "phases.0.batch_size=32", "--threads", "1")  # batch norm

TOP = (*CNN, "--set", 'phases.0.freeze=["all but the last 70 % of the weights"]', "--set", "phases.0.batch_norm=frozen")
TOP = (*TOP, "--set", 'augment.operations=[{name="vertical_flip"}]')  # frozen layers are computed once, of both views


def start(*words: Any) -> subprocess.Popen[str]:
    """`bakeoff train` in a process group of its own, as a terminal would start it."""
    line = [sys.executable, "-m", "bakeoff", "train", *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    out, err = process.communicate(timeout=1800)  # a busy machine is no failure
    assert process.returncode == 0, err
    return json.loads(out), err


def trained(run: Path) -> dict[str, Any]:
    """All that must not depend on what happened on the way."""
    found, result = checkpoint.load(run), read_json(run / "run.json")
    digest = hashlib.sha256()
    for key, array in sorted(found.arrays.items() if found else ()):
        digest.update(key.encode() + array.tobytes())
    epochs = [{k: v for k, v in row.items() if "wall" not in k} for row in read_lines(run / "epochs.jsonl")]
    return {
        "weights": result["weights_sha256"],
        "arrays": digest.hexdigest(),
        "metrics": hashlib.sha256((run / "metrics.jsonl").read_bytes()).hexdigest(),
        "epochs": epochs,
        "best": result["best_epoch"],
        "test": result["test"],
    }


def wait_for(process: subprocess.Popen[str], run: Path, step: int) -> bool:
    """Whether a checkpoint of that step or a later one came before the end."""
    while process.poll() is None:
        for path in (run / checkpoint.FOLDER).glob("*.json") if run.exists() else ():
            try:
                if json.loads(path.read_text())["state"]["step"] >= step:
                    return True
            except (OSError, ValueError, KeyError):
                continue
        time.sleep(0.005)
    return False


def go(run: Path, data: Path, framework: str, *words: Any) -> subprocess.Popen[str]:
    """The first command, or the one that goes on."""
    if (run / "job.json").is_file():
        return start("--resume", run, "--json")
    if run.exists():  # killed before anything was written down
        for path in sorted(run.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        run.rmdir()
    return start(data, "--framework", framework, "--run", run, "--json", *words)


def kill(process: subprocess.Popen[str], rng: random.Random) -> bool:
    """Kill -9 of the whole group, or of the parent alone: its worker has seconds to save what it has."""
    running = process.poll() is None
    if running:
        (os.killpg if rng.random() < 0.6 else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()
    return running


def killed(points: list[int], run: Path, data: Path, framework: str, *words: Any) -> tuple[dict[str, Any], int]:
    """One run, killed again and again; the result of the process that was let end, and how many kills hit.

    Args:
        points: steps: the process of that number is killed soon after a checkpoint of that step or a later one; -1: at
            any moment before it has trained.
    """
    rng, kills = random.Random(str(points)), 0
    for step in points:
        process = go(run, data, framework, *words)
        if step < 0:
            time.sleep(rng.uniform(0.1, 2.5))
        elif wait_for(process, run, step):
            time.sleep(rng.uniform(0, 0.05))
        kills += kill(process, rng)
    return finish(go(run, data, framework, *words))[0], kills


@pytest.mark.torch
@pytest.mark.parametrize("recipe", [MLP, TOP], ids=["mlp", "top"])
def test_killed_at_three_points(digits: Path, tmp_path: Path, recipe: tuple[str, ...]) -> None:
    words = [*recipe, "--set", "phases.0.epochs=20", "--checkpoint-every", "40"]
    finish(go(tmp_path / "whole", digits, "torch", *words))
    result, kills = killed([1, 300, 700] if recipe is MLP else [320], tmp_path / "killed", digits, "torch", *words)
    assert trained(tmp_path / "killed") == trained(tmp_path / "whole")
    assert kills >= 1
    assert result["resumed_from"] >= 300
    assert result["resumed_from"] % 40 == 0  # these points kill the group: no worker is left to save its last step
    assert result["phases"][0]["cached_activations"] == (recipe is TOP)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
@pytest.mark.parametrize(("recipe", "number"), [(MLP, 6), (CNN, 20)], ids=["mlp", "cnn"])
def test_killed_at_random_points(
    digits: Path, tmp_path: Path, framework: str, recipe: tuple[str, ...], number: int
) -> None:
    """Each kill goes on from what the one before left: a start costs seconds, the steps between two kills little."""
    epochs, rng = 20, random.Random(framework)
    words = [*recipe, "--set", f"phases.0.epochs={epochs}"]
    finish(go(tmp_path / "whole", digits, framework, *words))
    early, words = number // 5, [*words, "--checkpoint-every", "7 steps"]
    cell = (epochs - 1) * STEPS // (number - early)
    points = [cell * k + rng.randrange(1, cell - 14) for k in range(number - early)]
    for _ in range(early):
        points.insert(rng.randrange(len(points)), -1)
    result, kills = killed(points, tmp_path / "killed", digits, framework, *words)
    assert trained(tmp_path / "killed") == trained(tmp_path / "whole")
    assert kills == number
    assert result["resumed_from"] >= points[-1] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_probe_killed_at_twenty_points(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any moment, while features are computed too; a run that was done before its kill makes room for the next."""
    words = ["--recipe", "photos", "--phases", "probe", "--set", "input.size=[64,64]"]

    def afresh(name: str) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{name}"))
        return tmp_path / name

    began = time.monotonic()
    finish(go(afresh("whole"), digits, "onnxruntime", *words))
    length, rng = time.monotonic() - began, random.Random(0)
    kills, number, run = 0, 0, afresh("0")
    while kills < 20:
        process = go(run, digits, "onnxruntime", *words)
        try:
            process.wait(rng.uniform(0.2, length))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
            process.communicate()
            continue
        finish(process)
        assert trained(run) == trained(tmp_path / "whole")
        number += 1
        run = afresh(str(number))
    finish(go(run, digits, "onnxruntime", *words))
    assert trained(run) == trained(tmp_path / "whole")


@pytest.mark.torch
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop_it_saves_and_says_how_to_go_on(
    digits: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    run, words = tmp_path / "run", [*MLP, "--set", "phases.0.epochs=200", "--checkpoint-every", "100 steps"]
    process = go(run, digits, "torch", *words)
    assert wait_for(process, run, 100)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)  # Ctrl-C reaches the group
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"bakeoff train --resume {run}" in err
    assert "Traceback" not in err
    found = checkpoint.load(run)
    assert found is not None
    assert found.meta["state"]["step"] == len(read_lines(run / "metrics.jsonl"))
    assert not (run / "run.json").exists()


# From one framework to another ----------------------------------------------------------------------------------------


def in_two(first: str, second: str, data: Path, root: Path, *words: Any) -> tuple[Path, Path]:
    """Four epochs in the first framework, and two in each."""
    finish(go(root / "whole", data, first, *words))
    process = go(root / "two", data, first, *words)
    assert wait_for(process, root / "two", 2 * STEPS)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    result, _ = finish(start("--resume", root / "two", "--framework", second, "--json"))
    assert result["framework"] == second
    assert 2 * STEPS <= result["resumed_from"] < 4 * STEPS
    return root / "whole", root / "two"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("torch", "tensorflow"),
        pytest.param("tensorflow", "torch", marks=pytest.mark.slow),
        pytest.param("torch", "jax", marks=pytest.mark.slow),
    ],
)
def test_what_one_framework_began_another_ends(digits: Path, tmp_path: Path, first: str, second: str) -> None:
    """Weights, optimizer slots, schedule, order and batch norm cross over: in float64 the curves are one."""
    words = [*CNN, "--set", "phases.0.epochs=4", "--precision", "float64", "--checkpoint-every", str(STEPS)]
    whole, two = in_two(first, second, digits, tmp_path, *words)
    a, b = (read_lines(run / "metrics.jsonl") for run in (whole, two))
    assert [(row["step"], row["rate"]) for row in a] == [(row["step"], row["rate"]) for row in b]
    np.testing.assert_allclose([row["loss"] for row in b], [row["loss"] for row in a], rtol=1e-7)
    last = [checkpoint.load(run) for run in (whole, two)]
    assert last[0] is not None
    assert last[1] is not None
    assert last[0].arrays.keys() == last[1].arrays.keys()
    for key, array in last[0].arrays.items():
        np.testing.assert_allclose(last[1].arrays[key], array, rtol=1e-5, atol=1e-8, err_msg=key)
