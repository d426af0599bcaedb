"""Nothing leaves the machine: what libraries would tell their makers is forbidden, and what the verbs do is watched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import write_photos

from bakeoff.telemetry import SWITCHES

TRACE = ["strace", "-f", "-qq", "-e", "trace=socket,connect,execve"]


def _can_trace() -> str:
    """Why strace can't be used here; "" where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt install strace)"
    done = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"strace may not trace here ({done.stderr.strip()[:80]})"


REASON = _can_trace()
traced = pytest.mark.skipif(bool(REASON), reason=REASON)
VERBS = (
    ("train", "photos", "--framework", "onnxruntime", "--phases", "probe", "--run", "run"),
    ("data", "audit", "photos", "--no-labels"),
    ("predict", "run", "photos/猫"),
    ("evaluate", "run", "photos"),
    ("export", "run", "--to", "onnx", "--output", "a.onnx"),
    ("predict", "a.onnx", "photos/猫"),
)
FRAMEWORKS = (
    ("train", "photos", "-r", "mnist-cnn", "--framework", "torch", "--set", "input.size=[28,28]", "--run", "torch"),
    ("train", "photos", "-r", "mnist-cnn", "--framework", "tensorflow", "--set", "input.size=[28,28]", "--run", "tf"),
    ("convert", "torch", "--to", "keras", "--output", "a.keras", "--check", "quick"),
    ("export", "torch", "--to", "torch", "--output", "a.pt2"),
)


@pytest.mark.parametrize("verbs", [VERBS, pytest.param(FRAMEWORKS, marks=pytest.mark.slow)], ids=["base", "frameworks"])
@traced
def test_verbs_open_no_socket_and_tell_nobody(verbs: tuple[tuple[str, ...], ...], tmp_path: Path) -> None:
    write_photos(tmp_path / "photos")
    code = f"from bakeoff.cli import main; import sys; sys.exit(max(main(words) for words in {verbs!r}))"
    log = _traced(tmp_path, code)
    assert "execve" in log  # the trace is one
    assert sockets(log) == []
    assert _left(tmp_path / "home") <= {"bakeoff", ".keras", "matplotlib"}


@pytest.mark.slow
@traced
def test_a_cluster_that_is_started_here_speaks_to_this_machine_alone(tmp_path: Path) -> None:
    """Ray's processes speak to each other; nothing is sent anywhere else, and nothing is left at home."""
    pytest.importorskip("ray", reason="Ray is not installed")
    write_photos(tmp_path / "photos")
    verb = ("train", "photos", "--framework", "onnxruntime", "--phases", "probe", "--run", "run", "--cluster", "local")
    log = _traced(tmp_path, f"from bakeoff.cli import main; import sys; sys.exit(main({verb!r}))")
    assert "raylet" in log  # the trace has Ray's own processes
    own = {line.split()[3].split("/")[0] for line in _said("ip", "-o", "addr").splitlines()}
    away = [line for line in connections(log) if not own & set(re.findall(r'"(?:::ffff:)?([^"]+)"', line))]
    assert away == []
    assert _left(tmp_path / "home") <= {"bakeoff", ".ray"}  # the token of its clusters


@traced
def test_the_look_for_connections_finds_them(tmp_path: Path) -> None:
    ask = "import socket; s = socket.socket(); s.settimeout(0.01); s.connect_ex(('192.0.2.77', 53))"
    assert len(connections(_traced(tmp_path, ask))) == 1


@traced
def test_the_look_for_sockets_finds_them(tmp_path: Path) -> None:
    """In children, too."""
    open_one = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    log = _traced(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {open_one!r}])")
    assert len(sockets(log)) == 1


@traced
def test_without_the_switches_there_would_be_files(tmp_path: Path) -> None:
    """Or the test above shows nothing. It holds as long as ONNX Runtime does so."""
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "import onnxruntime; print(onnxruntime.__version__)"],
        env={**_bare(tmp_path / "home"), **dict.fromkeys(SWITCHES, "0")},
        capture_output=True,
        text=True,
    )
    if tuple(map(int, done.stdout.split(".")[:2])) >= (1, 31):
        assert _left(tmp_path / "home") == {"Microsoft"}


def connections(log: str) -> list[str]:
    """Lines of a trace that connect to an internet address; Ray learns its own by a datagram's, which sends nothing."""
    return [line for line in sockets(log) if "connect(" in line and 'inet_addr("8.8.8.8")' not in line]


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def sockets(log: str) -> list[str]:
    """Lines of a trace that open or use an internet socket."""
    return [line for line in log.splitlines() if re.search(r"AF_INET6?\b", line)]


@pytest.mark.parametrize("entry", ["import bakeoff", "import bakeoff.workers.worker", "from bakeoff.cli import main"])
def test_the_switches_are_set_whatever_is_imported_first(entry: str) -> None:
    shown = f"{entry}; import os; print([os.environ.get(name) for name in {list(SWITCHES)!r}])"
    assert _python(shown, {}) == str(list(SWITCHES.values()))


def test_what_a_user_has_set_stays(tmp_path: Path) -> None:
    shown = "import bakeoff, os; print(os.environ['DO_NOT_TRACK'], os.environ['ORT_DISABLE_TELEMETRY'])"
    assert _python(shown, {"DO_NOT_TRACK": "0", "ORT_DISABLE_TELEMETRY": ""}) == "0 1"


def test_what_was_loaded_before_is_asked_to_stop() -> None:
    code = (
        "import sys, types; ort = sys.modules['onnxruntime'] = types.ModuleType('onnxruntime')\n"
        "ort.disable_telemetry_events = lambda: print('stopped', end=' ')\n"
        "hub = sys.modules['huggingface_hub.constants'] = types.ModuleType('constants')\n"
        "import bakeoff; print(hub.HF_HUB_DISABLE_TELEMETRY)"
    )
    assert _python(code, {}) == "stopped True"


def test_openvinos_telemetry_never_loads() -> None:
    """It sends an event for each import, and asks nobody."""
    pytest.importorskip("openvino")
    code = (
        "import bakeoff, openvino, sys; print([one for one in sys.modules if 'telemetry' in one and sys.modules[one]])"
    )
    assert "openvino_telemetry" not in _python(code, {})
    assert "telemetry_stub" in _python(code, {})


def _bare(home: Path) -> dict[str, str]:
    """Nothing but what Python needs: where it sees a CI (`CI`, `GITHUB_ACTIONS`), ONNX Runtime is silent by itself."""
    needed = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "OMP_NUM_THREADS")
    return {**{name: os.environ[name] for name in needed if name in os.environ}, "HOME": str(home)}


def _traced(folder: Path, code: str) -> str:
    home = folder / "home"
    home.mkdir()
    command = [*TRACE, "-o", str(folder / "log"), sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=_bare(home), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return (folder / "log").read_text(encoding="utf-8", errors="replace")


def _left(home: Path) -> set[str]:
    """What programs made in a home, by the name of each."""
    return {path.name for folder in (home, home / ".cache") for path in folder.glob("*")} - {".cache"}


def _python(code: str, more: dict[str, str]) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run([sys.executable, "-c", code], env={**environment, **more}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
