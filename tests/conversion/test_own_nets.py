"""Sixty nets as users write them, in both directions, through `bakeoff.convert`, and judged by a judge of their own.

See own_nets/judge.py for what is asked. Eight cheap nets run with every `make test`, all of them with `make test-slow`;
answers are kept in a folder while OWN_NETS names one, so that a run that was broken off goes on where it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent / "own_nets"))

from judge import HERE, MOST_REFUSED, registered

NETS = registered()
FEW = {
    "keras": ("drop_connect", "same_mask_twice", "max_min_abs_clamp"),
    "torch": ("l2_softmax", "activity_penalty", "separable_spatial_dropout", "keras_shared_mask", "max_min_clip"),
}
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "tensorflow")), reason="needs torch and TensorFlow"
)


def judged(folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The answers of a run of the judge, by net."""
    line = [sys.executable, str(HERE / "judge.py"), *words, "--out", str(folder)]
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": source}, capture_output=True, text=True)
    answers = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    assert answers, done.stderr[-2000:]
    return {answer["net"]: answer for answer in answers}


def fine(answer: dict[str, Any]) -> bool:
    return answer["outcome"] in ("right", "declared", "refused") and not answer.get("disturbed")


def test_there_are_thirty_a_direction() -> None:
    assert len(NETS) == 60
    assert sum(module.startswith("torch") for module in NETS.values()) == 30


@pytest.mark.slow  # two minutes a direction: to be asked in this process before it goes into every day's tests
@pytest.mark.parametrize("to", FEW)
def test_few(tmp_path: Path, to: str) -> None:
    answers = judged(tmp_path, "--here", "--quick", *FEW[to])
    assert {net: answer["outcome"] for net, answer in answers.items()} == dict.fromkeys(FEW[to], "right"), answers


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the answers are kept; processes of xdist share it."""
    named = os.environ.get("OWN_NETS")
    return Path(named) if named else tmp_path_factory.getbasetemp().parent / "own_nets"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("net", NETS)
def test_each(kept: Path, net: str) -> None:
    answer = judged(kept, net)[net]
    assert fine(answer), json.dumps(answer, indent=1)[:3000]


@pytest.mark.slow
@pytest.mark.timeout(6000)
def test_few_are_refused(kept: Path) -> None:
    refused = [net for net, answer in judged(kept).items() if answer["outcome"] == "refused"]
    assert len(refused) <= MOST_REFUSED, refused
