"""Which tests run in which process, and where they may write.

pytest                                      everything but tests/frameworks
pytest --framework torch tests/frameworks   these, once for each framework: torch and TensorFlow can't share a process
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

for _name in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):  # Typer would colour what the tests read
    os.environ.pop(_name, None)
FRAMEWORKS = ("torch", "tensorflow", "jax")
LONG_S = 5.0  # a test that takes longer is marked slow, or stands here with what it needs the time for
LONG = {
    "test_planted_causes.py": "some causes are guessed from logits alone, by trying all others too",
    "test_explain_sides.py": "steps of training made again, in a process of their own",
    "test_unkillable.py": "trainings that are killed and gone on with, each in processes of its own",
    "test_resume.py": "one training for each point at which it is broken off",
    "test_mutations.py": "whole comparisons, one for each mutation",
    "test_executed.py": "commands of the docs, one after the other",
    "test_notebook.py": "trainings in processes of their own, and a kernel of Jupyter",
    "test_telemetry.py": "all verbs under strace",
    "test_cluster.py": "trainings on a cluster of Ray, and processes that look for one",
    "test_native_workers.py": "trainings in processes of their own, one of them killed, one stopped",
    "test_native.py": "three processes with a framework each, for each precision",
    "test_tune.py": "trainings, one for each setting that is tried",
    "test_plain_nets_in_keras.py": "the setup converts all nets at once",
    "test_export.py": "exports of nets of real size, each by the framework's own exporter",
    "test_source.py": "pages of plain code, run without Bakeoff in a process of their own",
    "test_loggers.py": "trains twice, and TensorBoard's own reader is slow to import",
    "test_efficientnet_lite.py": "the net of real size through NumPy",
    "test_adding.py": "a copy of the package, tested by the tests that pages meet",
    "test_serve_command.py": "servers in processes of their own",
    "test_remote_shards.py": "a server of S3 in a process of its own, and readers in others",
    "test_served_bytes.py": "traces a graph for each signature, with a branch for each kind of file",
    "test_serve_snippets.py": "clients in processes of their own, one of them with TensorFlow",
    "test_yesterday.py": "exports of three frameworks and a training, each in a process of its own",
}
_FOLDER = Path(__file__).parent / "frameworks"

# Property tests draw the same cases every time: a failure belongs to the change, not to the day.
settings.register_profile("bakeoff", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("bakeoff")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--framework", choices=FRAMEWORKS, help="the one framework of this process, for tests/frameworks")
    parser.addoption("--held-to-time", action="store_true", help="fail where a test that isn't listed takes too long")
    parser.addoption("--allow-none", action="store_true", help="exit 0 where no test is selected")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("--framework")
    if name is None:
        if importlib.util.find_spec("triton"):  # after TensorFlow, which some libraries load, it crashes
            importlib.import_module("triton")
        return
    needed = (name,) if name == "torch" else (name, "keras")
    missing = [library for library in needed if importlib.util.find_spec(library) is None]
    if missing:
        raise pytest.UsageError(f"--framework {name}: {missing[0]} is not installed: pip install -e '.[dev]'")
    if name == "jax" and not hasattr(config, "workerinput"):  # processes of xdist have it from the one that starts them
        _jax_compiles_once(config)
    if name != "torch":  # Keras fixes its backend when it is first imported
        os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _jax_compiles_once(config: pytest.Config) -> None:
    """What a net of one test was compiled to serves the same net in the next test, and in the next process.

    The key is the whole program (shapes, types), the flags and the versions. Nothing outlives the session: what was
    compiled for one processor need not run on another.
    """
    folder = tempfile.TemporaryDirectory(prefix="bakeoff-jax-")
    config.add_cleanup(folder.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    chosen = config.getoption("--framework")
    if chosen is None and (collection_path == _FOLDER or _FOLDER in collection_path.parents):
        return True
    if chosen != "torch" and collection_path.name.startswith("test_torch_"):
        return True  # they import torch when they are collected, and it must not share a process with TensorFlow
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In tests/frameworks, a test marked `torch` is for the torch process only, and so on."""
    chosen = config.getoption("--framework")
    if chosen is None:
        return
    _side_by_side(items)
    kept, left = [], []
    for item in items:
        marked = {name for name in FRAMEWORKS if item.get_closest_marker(name)}
        ours = _FOLDER in item.path.parents and (not marked or chosen in marked)
        (kept if ours else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _side_by_side(items: list[pytest.Item]) -> None:
    """Tests of one operator's case follow each other: what one has built, another one of the same process asks."""
    first: dict[Any, int] = {}

    def place(item: pytest.Item) -> int:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        case = (item.path, given["op"], given.get("name")) if "op" in given else item.nodeid
        return first.setdefault(case, len(first))

    items.sort(key=place)


def too_long(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Tests of more than LONG_S that are not listed, the longest first."""
    found = [(one.duration, one.nodeid) for one in reports if one.duration > LONG_S]
    return [f"{seconds:.1f} s {name}" for seconds, name in sorted(found, reverse=True) if _file(name) not in LONG]


def _file(nodeid: str) -> str:
    return Path(nodeid.split("::")[0]).name


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    reports = [one for key in ("passed", "failed") for one in terminalreporter.stats.get(key, [])]
    for line in too_long(reports) if config.getoption("--held-to-time") else []:
        terminalreporter.write_line(f"longer than {LONG_S:.0f} s: {line} (make it shorter, mark it slow, or list it)")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--held-to-time") and reporter and too_long(reporter.stats.get("passed", [])):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("--allow-none"):
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample of handwritten digits, to be read alone."""
    from bakeoff.data import write_digits

    folder = tmp_path_factory.mktemp("data") / "digits"
    write_digits(folder)
    return folder


@pytest.fixture(scope="session")
def framework(request: pytest.FixtureRequest) -> str:
    """The framework of this process: torch, tensorflow or jax."""
    name = request.config.getoption("--framework")
    if name is None:
        pytest.fail("the fixture `framework` is for tests/frameworks, run by pytest --framework NAME tests/frameworks")
    return str(name)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests never read or write the user's cache; the commands that they start inherit the place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
