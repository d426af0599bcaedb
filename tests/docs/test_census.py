"""The census: what is known is not measured again, each row is there when it is done, no model holds up the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.skipif(not (BENCH / "census.py").exists(), reason="bench/ is not beside the tests")
MEASURED = """
import json, os, subprocess, sys, time
model, size, held, gigabytes = sys.argv[1:]
with open("asked", "a") as file:
    file.write(f"{model} {size} {held}\\n")
graph = "g" + model[-1]
if "slow" in model:
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open("worker", "w").write(str(worker.pid))
    time.sleep(600)
if "dies" in model:
    sys.exit("Killed by nobody")
print(json.dumps({"graph": graph} if held == graph else {"graph": graph, "verdict": "passed"}))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout whose models are measured by MEASURED."""
    for name in ("bench", "docs", "src"):
        (tmp_path / name).mkdir()
    (tmp_path / "bench" / "census.py").write_bytes((BENCH / "census.py").read_bytes())
    (tmp_path / "bench" / "_census_row.py").write_text(MEASURED)
    (tmp_path / "bench" / "transformers.json").write_text("{}")
    rest = "\n".join(f"own/r{number}" for number in range(30))
    (tmp_path / "bench" / "census.txt").write_text(f"# trained\nkeras/a:64\nown/b\n\n# and the others\n{rest}\n")
    (tmp_path / "docs" / "support-matrix.jsonl").write_text("")
    return tmp_path


def census(place: Path, *words: str) -> str:
    line = [sys.executable, "bench/census.py", *words]
    return subprocess.run(line, cwd=place, check=True, capture_output=True, text=True, timeout=60).stdout


def rows(place: Path) -> dict[str, Any]:
    lines = (place / "docs" / "support-matrix.jsonl").read_text().splitlines()
    return {row["model"]: row for row in map(json.loads, lines)}


def asked(place: Path) -> list[str]:
    """What was asked since the last call."""
    file = place / "asked"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


ONLY = ("--only", "keras/a", "--only", "own/b")


def test_what_is_known_is_left_out(place: Path) -> None:
    assert "keras/a passed" in census(place, *ONLY)
    assert asked(place) == ["keras/a 64 ", "own/b 0 "]
    census(place, *ONLY)
    assert asked(place) == []
    assert rows(place)["keras/a"]["key"]["graph"] == "ga"


def test_other_code_asks_for_the_graph_alone(place: Path) -> None:
    census(place, *ONLY)
    asked(place)
    (place / "src" / "new.py").write_text("x = 1")
    before = rows(place)
    assert "the graph is still the same" in census(place, *ONLY)
    assert asked(place) == ["keras/a 64 ga", "own/b 0 gb"]
    after = rows(place)
    assert after["own/b"]["key"].pop("code") != before["own/b"]["key"].pop("code")
    assert after["own/b"] == before["own/b"]
    census(place, *ONLY)
    assert asked(place) == []


@pytest.mark.parametrize("part", ["graph", "judge", "versions"])
def test_a_key_that_no_longer_holds_is_measured_again(place: Path, part: str) -> None:
    census(place, *ONLY)
    asked(place)
    found = rows(place)
    found["own/b"]["key"] |= {part: {"keras": "1"} if part == "versions" else 1, "code": "another"}
    (place / "docs" / "support-matrix.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found.values()))
    assert "own/b passed" in census(place, *ONLY)
    assert asked(place) == ["own/b 0 1" if part == "graph" else "own/b 0 "]
    assert rows(place)["own/b"]["key"]["graph"] == "gb"


def test_a_model_that_takes_too_long_or_dies_is_a_row(place: Path) -> None:
    (place / "bench" / "census.txt").write_text(
        "own/slow\nown/dies\nown/c\n\n# and\n" + "\n".join(f"own/r{number}" for number in range(30))
    )
    words = ("--only", "own/slow", "--only", "own/dies", "--only", "own/c")
    census(place, *words, "--deadline", "3")
    assert rows(place)["own/slow"]["error"] == "more than 3 s"
    assert rows(place)["own/dies"]["error"].endswith("Killed by nobody")
    assert rows(place)["own/c"]["verdict"] == "passed"
    assert ended(int((place / "worker").read_text()))
    asked(place)
    census(place, *words, "--deadline", "3", "--failed")
    assert [line.split()[0] for line in asked(place)] == ["own/slow", "own/dies"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_is_done(place: Path, how: signal.Signals) -> None:
    (place / "bench" / "census.txt").write_text(
        "own/c\nown/slow\n\n# and\n" + "\n".join(f"own/r{number}" for number in range(30))
    )
    line = [sys.executable, "bench/census.py", "--only", "own/c", "--only", "own/slow"]
    with subprocess.Popen(line, cwd=place, stderr=subprocess.DEVNULL) as process:
        while not (place / "worker").exists() or not (place / "worker").read_text():
            time.sleep(0.05)
        process.send_signal(how)
        process.wait(20)
    assert list(rows(place)) == ["own/c"]
    assert ended(int((place / "worker").read_text()))


def ended(pid: int) -> bool:
    """Whether a process is gone, or nobody's but not yet collected."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_a_run_begins_no_model_after_its_time(place: Path) -> None:
    census(place, "--most-minutes", "0")
    assert asked(place) == []


def test_models_come_in_their_order_and_again_where_they_are_asked_otherwise(place: Path) -> None:
    (place / "bench" / "transformers.json").write_text('{"vit": {}}')
    census(place, "--all")
    names = [line.split()[0] for line in asked(place)]
    assert names[:3] == ["transformers/vit", "keras/a", "own/b"]
    assert len(names) == 33
    text = (place / "bench" / "census.txt").read_text()
    (place / "bench" / "census.txt").write_text(text.replace("keras/a:64", "keras/a:96"))
    (place / "bench" / "transformers.json").write_text('{"vit": {"size": 32}}')
    census(place, "--all")
    assert asked(place) == ["transformers/vit 0 ", "keras/a 96 "]
