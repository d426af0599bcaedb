"""Mistakes made on purpose, in a lowering or in a written file: each has to be noticed, and by a check.

A lowering is broken in TensorFlow's worker alone, from outside: Python runs a module named `sitecustomize` at the start
of every process. A file is broken behind the writer's back, or after it was certified, its hashes and seal renewed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent / "mutations"))

from files import FILES, edited
from lowerings import CNN, LOWERINGS, PRELUDE, TOKENS

from bakeoff.conversion.certificate import digest, seal

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "mutations"
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "tensorflow", "h5py")), reason="needs torch and TensorFlow"
)
QUICK = ("an epsilon of 1.001e-5",)
QUICK_FILES = ("momentum",)
FAILED = 7  # the exit code of a check that failed; anything else is no verdict

CUSTOMIZE = """
import importlib.abc, os, sys
if "bakeoff.workers.worker" in sys.orig_argv and os.environ.get("KERAS_BACKEND") == "tensorflow":
    class Hook(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name == "bakeoff.frameworks._keras.build":
                sys.meta_path.remove(self)
                exec(open(os.environ["MUTATION"]).read(), {})
            return None
    sys.meta_path.insert(0, Hook())
"""
WRITER = """
import sys
from pathlib import Path
from keras.src.models.model import Model
sys.path.insert(0, {folder!r})
from files import FILES, edited
true = Model.save
def save(self, filepath, *rest, **options):
    true(self, filepath, *rest, **options)
    edited(Path(filepath), FILES[{name!r}])
Model.save = save
"""
COMPARE = """
import json, sys
import bakeoff
from bakeoff.comparison import api
from bakeoff.data.sample import write_digits

folder, model = sys.argv[1:]
write_digits(folder + "/digits")
settings = ["epochs=1", "optimizer.name=sgd", "optimizer.momentum=0.9"]
settings = [*(f"phases.0.{setting}" for setting in settings), f"model.name={model}", "input.size=[16,16]"]
class Enough(Exception):
    pass
def training(self, *given):
    raise Enough
def proved(self, *given, true=api.Comparison._parity):
    found = true(self, *given)
    failed.extend(check.name for check in found if not check.passed)
    return found
failed = []
api.Comparison._parity, api.Comparison._train = proved, training
try:
    bakeoff.compare(folder + "/digits", "mnist-cnn", ["torch", "tensorflow"], run=folder + "/run", overrides=settings)
except Enough:
    print(json.dumps(failed))
"""
BUNDLE = """
import sys
from bakeoff.bundle import Bundle, write
from bakeoff.models import build
from bakeoff.preprocessing import Signature
graph = build(sys.argv[2], (16, 16), 1, 10, **({"free": True} if "cnn" in sys.argv[2] else {}))
write(sys.argv[1], Bundle(graph, Signature((16, 16), 1), tuple("abcdefghij"), framework="torch"))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the nets that are broken here, each as a bundle beside it."""
    root = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (CNN, TOKENS):
        shutil.copy(HERE / f"{name}.py", root / "src" / "bakeoff" / "models")
        run(root / "src", root, "-c", BUNDLE, str(root / name), name)
    return root


def run(src: Path, folder: Path, *line: str, mutation: str = "", code: int = 0) -> str:
    """Run Python with a mutation in TensorFlow's worker; what it prints."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(CUSTOMIZE)
    (folder / "mutation.py").write_text(mutation)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(src)])}
    environment["MUTATION"] = str(folder / "mutation.py")
    done = subprocess.run([sys.executable, *line], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, f"exit {done.returncode}, expected {code}: {done.stderr[-1500:]}"
    assert "Traceback" not in done.stderr
    return done.stdout


def converted(source: Path, folder: Path, net: str, mutation: str, code: int) -> None:
    line = ("-m", "bakeoff", "convert", str(source / net), "--to", "keras", "--output", "net.keras")
    run(source / "src", folder, *line, mutation=mutation, code=code)


def noticed_by_convert(source: Path, folder: Path, net: str, mutation: str) -> None:
    converted(source, folder, net, mutation, FAILED)
    assert not (folder / "net.keras").exists()
    assert (folder / "net.keras.report.json").is_file()


def failed_checks(source: Path, folder: Path, net: str, mutation: str = "") -> list[str]:
    """What fails of a comparison's parity checks."""
    said = run(source / "src", folder, "-c", COMPARE, str(folder), net, mutation=mutation)
    return list(json.loads(said.splitlines()[-1]))


@pytest.mark.parametrize("name", QUICK)
def test_convert_notices_quickly(source: Path, tmp_path: Path, name: str) -> None:
    net, mutation = LOWERINGS[name]
    noticed_by_convert(source, tmp_path, net, PRELUDE + mutation)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LOWERINGS if name not in QUICK])
def test_convert_notices(source: Path, tmp_path: Path, name: str) -> None:
    net, mutation = LOWERINGS[name]
    noticed_by_convert(source, tmp_path, net, PRELUDE + mutation)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LOWERINGS if name != "a size branch"])  # a training has one size
def test_compare_notices(source: Path, tmp_path: Path, name: str) -> None:
    net, mutation = LOWERINGS[name]
    assert failed_checks(source, tmp_path, net, PRELUDE + mutation)


@pytest.mark.slow
@pytest.mark.parametrize("net", [CNN, TOKENS])
def test_nothing_is_noticed_where_nothing_is_broken(source: Path, tmp_path: Path, net: str) -> None:
    assert not failed_checks(source, tmp_path, net)
    converted(source, tmp_path, net, "", 0)
    run(source / "src", tmp_path, "-m", "bakeoff", "verify", "net.keras.certificate.json")


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_convert_notices_in_what_it_wrote(source: Path, tmp_path: Path, name: str) -> None:
    noticed_by_convert(source, tmp_path, CNN, WRITER.format(folder=str(HERE), name=name))


@pytest.fixture(scope="module")
def certified(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each net, with what it became, and the certificate."""
    root = tmp_path_factory.mktemp("certified")
    for net in (CNN, TOKENS):
        shutil.copytree(source / net, root / net / net)
        line = ("-m", "bakeoff", "convert", net, "--to", "keras", "--output", "net.keras")
        run(source / "src", root / net, *line)
    return root


def tampered(certified: Path, folder: Path, name: str) -> Path:
    """The same with a changed file, whose certificate has its hash, and is sealed anew."""
    place = folder / "again"
    shutil.copytree(certified / CNN, place)
    edited(place / "net.keras", FILES[name])
    path = place / "net.keras.certificate.json"
    value: dict[str, Any] = json.loads(path.read_text())
    value["output_sha256"] = digest(place / "net.keras")
    value["seal"] = seal(value)
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK_FILES else pytest.mark.slow) for n in FILES])
def test_verify_notices(source: Path, certified: Path, tmp_path: Path, name: str) -> None:
    path = tampered(certified, tmp_path, name)
    run(source / "src", tmp_path, "-m", "bakeoff", "verify", str(path), code=FAILED)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOWERINGS)
def test_verify_notices_a_lowering(source: Path, certified: Path, tmp_path: Path, name: str) -> None:
    """Of a file that is right: what this machine makes of its source is something else."""
    net, mutation = LOWERINGS[name]
    line = ("-m", "bakeoff", "verify", str(certified / net / "net.keras.certificate.json"))
    run(source / "src", tmp_path, *line, mutation=PRELUDE + mutation, code=FAILED)
