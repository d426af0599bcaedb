"""A cluster of Ray: the same bits as on this machine, through deaths of workers, actors and nodes; what isn't there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import write_images
from test_workers import RECIPE as RESNET  # steps that take long enough to be interrupted

import bakeoff
from bakeoff.errors import MissingDependencyError, UsageError, WorkerError
from bakeoff.files import read_arrays
from bakeoff.rundir.readers import read_lines
from bakeoff.training.api import resume, train
from bakeoff.training.options import Options
from bakeoff.training.places import cluster as placed
from bakeoff.training.places.keeper import Folder
from bakeoff.workers import cluster

needs_ray = pytest.mark.skipif(not find_spec("ray"), reason="Ray is not installed")
needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")
RECIPE = """
[model]
name = "mnist_mlp"
arguments = { dropout = 0.5 }

[[phases]]
strategy = "finetune"
epochs = 3
batch_size = 14
"""


@pytest.fixture(scope="module")
def two() -> Iterator[None]:
    """A cluster of two CPUs, as `--cluster local` starts it on a machine that has two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "cpus", lambda: 2)
        places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))  # its processes import what is here, too
        with cluster.connected("local"):
            yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("pictures"), {"a": 24, "b": 24}, size=(16, 16))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "mine.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def one(pictures: Path, written: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one worker of this machine makes of it."""
    return trained(pictures, written, tmp_path_factory.mktemp("one") / "run", workers=1)


def trained(pictures: Path, written: Path, run: Path, framework: str = "torch", **more: Any) -> dict[str, Any]:
    options = Options(checkpoint_every="2", **more)
    found = train(pictures, str(written), framework=framework, run=run, quiet=True, options=options)
    return said(found.result, run)


def said(result: dict[str, Any], run: Path) -> dict[str, Any]:
    rows = [{k: v for k, v in row.items() if not k.endswith("wall_s")} for row in read_lines(run / "epochs.jsonl")]
    return {"sha256": result["weights_sha256"], "rows": rows, "steps": list(read_lines(run / "metrics.jsonl"))}


@needs_ray
@needs_torch
def test_workers_on_a_cluster_give_the_same_bits(
    two: None, pictures: Path, written: Path, tmp_path: Path, one: dict[str, Any]
) -> None:
    heard: list[dict[str, Any]] = []
    found = trained(pictures, written, tmp_path / "run", workers=2, cluster="local", listen=heard.append)
    assert found == one
    assert {line["phase"] for line in heard if line["kind"] == "progress"} >= {"reading", "finetune"}
    assert [line for line in heard if line["kind"] == "log" and "epoch 3/3" in line["text"]]
    assert not (tmp_path / "run" / ".seen-from").exists()


@needs_ray
@needs_torch
@pytest.mark.slow
def test_a_run_folder_of_another_node_is_brought_here(
    two: None, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that doesn't see the folder works in one of its own; a worker killed there costs an interval."""
    written = tmp_path / "resnet.toml"
    written.write_text(RESNET.replace("epochs = 2", "epochs = 10"))
    one = trained(pictures, written, tmp_path / "one", workers=1)
    monkeypatch.setattr(placed, "MARK", ".seen-from-elsewhere")
    run, killed, kept = tmp_path / "a run", [], []

    def kill(message: dict[str, Any]) -> None:
        kept[:] = sorted(path.name for path in (run / "checkpoints").glob("*"))
        if not killed and len(kept) == 2 and message["kind"] == "progress":
            killed.append(workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    found = trained(pictures, written, run, workers=2, cluster="local", listen=kill)
    assert found == one
    assert killed
    assert json.loads((run / "run.json").read_text())["run"] == str(run)
    assert not list((run / "checkpoints").glob("*.tmp"))
    with np.load(run / "predictions" / "test.npz") as test:
        assert len(test["logits"])
    assert bakeoff.load(run).predict(pictures / "a")[0]["label"] in ("a", "b")
    (again,) = read_lines(run / "workers.jsonl")
    assert again["step"] > 0


@needs_ray
@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("deaths", [2, 10])
def test_deaths_cost_intervals_and_no_bit(
    deaths: int, two: None, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """kill -9 of a worker's process and of Ray's actor, in turns, each once a new checkpoint stands."""
    path = tmp_path / "long.toml"
    path.write_text(RESNET.replace("epochs = 2", f"epochs = {2 + deaths}"))
    expected = trained(pictures, path, tmp_path / "one", workers=1)
    run, heard, stood, kills = tmp_path / "run", [], [""], []

    def kill() -> None:
        while len(kills) < deaths and not done.wait(0.02):
            newest = max((file.name for file in (run / "checkpoints").glob("*.json")), default="")
            victims = (workers, keepers)[len(kills) % 2]()
            if newest > stood[-1] and len(victims) == 2:
                stood.append(newest)
                kills.append(victims[len(kills) % 4 // 2])
                os.kill(kills[-1], signal.SIGKILL)

    done = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = trained(pictures, path, run, workers=2, cluster="local", listen=heard.append)
    finally:
        done.set()
        killer.join()
    assert found == expected
    assert len(kills) == deaths
    restarts = list(read_lines(run / "workers.jsonl"))
    assert len(restarts) == deaths
    assert sum("All workers go on from" in line.get("text", "") for line in heard) == deaths
    assert {"signal 9" in row["why"] for row in restarts} == {True, False}
    assert sum("Ray lost it" in row["why"] for row in restarts) == deaths // 2
    assert capfd.readouterr() == ("", "")  # Ray itself has nothing to say here


@needs_ray
@needs_torch
@pytest.mark.slow
def test_who_asks_for_no_team_gets_the_run_of_this_machine(
    two: None, pictures: Path, written: Path, tmp_path: Path
) -> None:
    here = trained(pictures, written, tmp_path / "here", threads=1)
    assert trained(pictures, written, tmp_path / "there", cluster="local", threads=1) == here
    stopped: list[int] = []

    def stop(message: dict[str, Any]) -> None:
        if message["kind"] == "progress" and message["phase"] == "finetune" and not stopped:
            stopped.append(1)
            raise KeyboardInterrupt

    with pytest.raises((bakeoff.errors.Cancelled, KeyboardInterrupt)):
        trained(pictures, written, tmp_path / "stopped", cluster="local", threads=1, listen=stop)
    found = resume(tmp_path / "stopped", cluster="local", quiet=True)
    assert found.result["weights_sha256"] == here["sha256"]
    assert workers() == []


@needs_ray
def test_features_are_those_of_one_process(two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_images(tmp_path / "pictures", {"a": 30, "b": 30}, size=(40, 40))
    found = []
    for name, where in (("here", None), ("there", "local")):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        trained = train(
            folder, "photos-fast", framework="onnxruntime", run=tmp_path / f"run-{name}", phases=["probe"], quiet=True,
            options=Options(cluster=where),
        )  # fmt: skip
        (cached,) = (tmp_path / name / "bakeoff" / "features").glob("*.npz")
        found.append((trained.result["weights_sha256"], read_arrays(cached)["features"]))
    assert found[0][0] == found[1][0]
    assert found[0][1].tobytes() == found[1][1].tobytes()
    assert len(np.unique(found[0][1])) > 1000


@needs_ray
@pytest.mark.slow
def test_labels_are_judged_as_by_one_process(two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_images(tmp_path / "pictures", {"a": 30, "b": 30}, size=(40, 40))
    kept = []
    for name, where in (("here", None), ("there", "local")):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        found = bakeoff.audit(folder, cluster=where, quiet=True)
        (features,) = (tmp_path / name / "bakeoff" / "embeddings").glob("*.bin")
        kept.append((found.to_json(), features.read_bytes()))
    assert kept[0] == kept[1]
    assert len(kept[0][1]) > 60 * 1280


@needs_ray
def test_predictions_are_those_of_one_process(two: None, model_run: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "pictures", {"a": 70, "b": 30}, size=(20, 20))
    (folder / "a" / "007.png").write_bytes(b"no image")
    (folder / "b" / "link.png").symlink_to(folder / "a" / "001.png")
    model = bakeoff.load(model_run)
    given = [folder, np.zeros((9, 9), np.uint8), (folder / "a" / "003.png").read_bytes(), tmp_path / "gone.png"]
    here, there = model.predict(given), model.predict(given, cluster="local")
    assert json.dumps(list(there)) == json.dumps(list(here))
    assert [row["path"] for row in here if "error" in row] == [
        str(folder / "a" / "007.png"), str(folder / "b" / "link.png"), str(tmp_path / "gone.png")
    ]  # fmt: skip
    assert len(here) == 104


@pytest.fixture(scope="module")
def model_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("model") / "run"
    train(pictures, "photos-fast", framework="onnxruntime", run=run, phases=["probe"], quiet=True)
    return run


@needs_ray
@needs_torch
@pytest.mark.slow
def test_trials_of_one_study_run_beside_each_other(two: None, digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    at_work: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            at_work.add(len(workers()))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        tuned = bakeoff.tune(
            digits, "mnist-cnn", framework="torch", run=tmp_path / "tuned", trials=4, cluster="local", quiet=True,
            overrides=["phases.0.epochs=2"], search={"phases.0.schedule.peak": "0.00001 | 0.01"},
        )  # fmt: skip
    finally:
        done.set()
        looking.join()
    assert max(at_work) == 2
    assert sorted(row["number"] for row in tuned.result["trials"]) == [0, 1, 2, 3]
    assert tuned.result["settings"] == {"phases.0.schedule.peak": "0.01"}
    assert (tmp_path / "tuned" / "best" / "run.json").is_file()
    assert not list((tmp_path / "tuned").glob("trial-*"))


@needs_ray
@needs_torch
def test_too_few_cpus_are_named_at_once(two: None, pictures: Path, written: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"--workers 4 needs 4 CPUs, one a worker, and the cluster has 2"):
        trained(pictures, written, tmp_path / "run", workers=4, cluster="local")
    assert time.monotonic() - began < 10
    assert not (tmp_path / "run").exists()


@needs_ray
def test_cpus_that_others_use_are_waited_for_and_no_longer(two: None) -> None:
    import ray

    @ray.remote(num_cpus=1)
    class Busy:
        def there(self) -> bool:
            return True

    busy, heard = Busy.remote(), []
    assert ray.get(busy.there.remote())
    with pytest.raises(WorkerError, match="2 free CPUs are needed, and there are 1 after 3 s"):
        cluster.free(2, heard.append, 3.0)
    assert [line["text"][:24] for line in heard] == ["waiting for 2 free CPUs "]
    ray.kill(busy)
    assert cluster.free(2, wait_s=20) == 2


@needs_ray
def test_errors_of_what_is_shared_out_are_those_of_one_process(two: None) -> None:
    with pytest.raises(UsageError, match="too hot"):
        list(cluster.share_out(_refuses, 3, range(5)))
    with pytest.raises(WorkerError, match="ZeroDivisionError"):
        list(cluster.share_out(_refuses, 0, range(5)))
    assert list(cluster.share_out(_times, 3, range(50))) == [3 * number for number in range(50)]


def _times(common: int) -> Any:
    return lambda item: common * item


def _refuses(common: int) -> Any:
    def work(item: int) -> int:
        if common and item == 3:
            raise UsageError("too hot")
        return item // common

    return work


@pytest.mark.parametrize("where", ["remote", "ray://", "ray://host", "ray:/host:1", "", "ray://host:port"])
def test_what_names_no_cluster_is_refused(where: str) -> None:
    with pytest.raises(UsageError, match=r"--cluster .*: expected local, auto, or ray://HOST:PORT"):
        Options(cluster=where)
    with pytest.raises(UsageError, match="expected local, auto, or ray://HOST:PORT"):
        bakeoff.tune("digits", "mnist-cnn", search={"phases.0.batch_size": "2 | 3"}, cluster=where)


def test_workers_that_something_else_started_stay_where_they_are() -> None:
    with pytest.raises(UsageError, match="Leave --cluster out"):
        Options(workers="env", cluster="auto")


def test_without_the_extra_it_is_named(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bakeoff\[ray\]'"):
        train(pictures, "photos-fast", run=tmp_path / "run", phases=["probe"], options=Options(cluster="local"))


@needs_ray
@pytest.mark.parametrize("where", ["auto", "named", "ray"])
def test_a_cluster_that_is_not_there_is_said_within_seconds(where: str, pictures: Path, tmp_path: Path) -> None:
    """In a process of its own: Ray itself waits for two minutes, and then ends the process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_ADDRESS": address} if where == "named" else {}
    asked = {"auto": "auto", "named": "auto", "ray": f"ray://{address}"}[where]
    if where == "auto" and keepers(b"gcs_server"):
        environment["RAY_ADDRESS"] = address  # a cluster runs here, as that of the tests above
    began = time.monotonic()
    command = [sys.executable, "-m", "bakeoff", "train", str(pictures), "-r", "photos-fast", "--phases", "probe"]
    command += ["--cluster", asked, "--run", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith(f"bakeoff: --cluster {asked}: ")
    assert "Does it run?" in line or "no cluster runs here" in line
    assert time.monotonic() - began < 20
    assert not (tmp_path / "run").exists()


def test_a_folder_is_followed_in_an_order_that_vouches(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "there", {"manifest.json": b"{}", "checkpoints/00000001.json": b"1"})
    assert folder.changes(whole=True) is None
    (folder.path / "metrics.jsonl").write_text("row\n")
    assert folder.changes(whole=False) is None  # a step is no reason to send anything
    (folder.path / "checkpoints" / "00000002.safetensors").write_text("arrays")
    (folder.path / "checkpoints" / "00000002.json").write_text("2")
    (folder.path / "checkpoints" / ".00000003.json.0.tmp").write_text("half")
    (folder.path / "checkpoints" / "00000001.json").unlink()
    found = folder.changes(whole=False)
    assert found is not None
    assert list(found["files"]) == ["metrics.jsonl", "checkpoints/00000002.safetensors", "checkpoints/00000002.json"]
    assert found["gone"] == ["checkpoints/00000001.json"]
    assert folder.changes(whole=True) is None


@needs_ray
@pytest.mark.slow
def test_modules_in_the_working_folder_are_not_run(tmp_path: Path, model_run: Path) -> None:
    """Ray tells its processes to import from where its driver stands."""
    for name in ("onnxruntime", "numpy", "bakeoff", "PIL"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\nraise OSError")
    write_images(tmp_path, {"a": 40}, size=(20, 20))
    command = [sys.executable, "-P", "-m", "bakeoff", "predict", str(model_run), "a", "--cluster", "local", "--csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
    assert len(done.stdout.splitlines()) == 41
    assert done.stderr == ""


@needs_ray
def test_nothing_of_ray_is_loaded_unless_it_is_asked_for() -> None:
    code = "import bakeoff, sys, os; from bakeoff.cli import main; bakeoff.Options(); main(['train', '--help'])\n"
    code += "import bakeoff.training.api, bakeoff.tuning.api, bakeoff.training.probe.features\n"
    code += "assert 'ray' not in sys.modules; assert os.environ['RAY_USAGE_STATS_ENABLED'] == '0'"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)


def workers() -> list[int]:
    """The worker processes of actors, in the order in which they were started."""
    return [pid for pid in keepers(b"workers.worker") if b"ray::" in _command(_parent(pid))]


def keepers(name: bytes = b"ray::Keeper") -> list[int]:
    """Processes whose command has that in it, by number."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if name in place.read_bytes():
                found.append(int(place.parent.name))
    return sorted(found)


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
