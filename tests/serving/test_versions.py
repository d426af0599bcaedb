"""Versions come and go: whole ones alone, without a request lost; names, labels and policies find them."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from served import CLASSES, Client, b64, image, put, until

import bakeoff
from bakeoff.errors import BakeoffError, DataError, MissingDependencyError, UsageError
from bakeoff.serving import config_files
from bakeoff.serving.client import Remote
from bakeoff.serving.models import Given
from bakeoff.serving.naming import from_environment, given
from bakeoff.serving.server import Server
from bakeoff.serving.settings import Settings

QUICK = Settings(rest_port=0, grpc_port=None, grace_s=0.0, poll_s=0.1)
ONE = b64(image())


def states(client: Client, name: str = "net") -> dict[str, str]:
    rows = client.json(f"/v1/models/{name}")["model_version_status"]
    return {row["version"]: row["state"] for row in rows}


def serve(*given: Given, said: list[str] | None = None, **settings: Any) -> Server:
    made = Settings(**{**QUICK.__dict__, **settings})
    return Server(given, made, (said if said is not None else []).append)


def test_a_new_version_takes_over_when_it_is_whole_and_no_request_is_lost(tmp_path: Path) -> None:
    base, spare, said = tmp_path / "net", tmp_path / "spare", list[str]()
    put(base / "00000001", seed=1)
    put(spare, seed=2, classes=CLASSES[::-1])
    (base / "not-a-number").mkdir()
    with serve(Given("net", base), said=said) as server:
        client, found, stop = Client(server), set[str](), threading.Event()

        def ask() -> None:
            while not stop.is_set():
                status, body, _ = client.ask("/v1/models/net:predict", {"instances": [ONE]})
                found.add(f"{status} {body.decode()}")

        thread = threading.Thread(target=ask)
        thread.start()
        assert states(client) == {"1": "AVAILABLE"}
        (base / "2").mkdir()
        shutil.copy(spare / "bundle.json", base / "2")
        (base / "2" / "weights.safetensors").write_bytes((spare / "weights.safetensors").read_bytes()[:3000])
        until(lambda: any("version 2 could not be loaded" in line for line in said))
        assert states(client) == {"2": "END", "1": "AVAILABLE"}
        assert str(tmp_path) not in client.ask("/v1/models/net")[1].decode()
        shutil.copy(spare / "weights.safetensors", base / "2")
        until(lambda: states(client) == {"2": "AVAILABLE", "1": "END"})
        stop.set()
        thread.join()
        assert len(found) in (2, 3)  # an answer of each version, or one between two looks at the clock
        assert all(one.startswith("200") for one in found)
        assert client.ask("/v1/models/net/versions/1:predict", {"instances": [ONE]})[0] == 404
        shutil.rmtree(base / "2")
        until(lambda: states(client)["1"] == "AVAILABLE")


def test_a_folder_that_goes_away_is_said_once_and_the_model_stays(tmp_path: Path) -> None:
    put(tmp_path / "net" / "1")
    said = list[str]()
    with serve(Given("net", tmp_path / "net"), said=said) as server:
        (tmp_path / "net").rename(tmp_path / "away")
        until(lambda: any("there is no such" in line for line in said))
        time.sleep(0.4)
        assert Client(server).ask("/v1/models/net:predict", {"instances": [ONE]})[0] == 200
        (tmp_path / "away").rename(tmp_path / "net")
    assert sum("there is no such" in line for line in said) == 1


@pytest.mark.parametrize("name", ["uvicorn", "grpc", "prometheus_client", "google.protobuf"])
def test_what_is_not_installed_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = lambda asked: None if asked == name else object()  # noqa: E731
    monkeypatch.setattr("bakeoff.serving.server.find_spec", spec)
    monkeypatch.setattr("bakeoff.serving.client.find_spec", spec)
    with pytest.raises(MissingDependencyError, match=r"bakeoff\[serve\]"):
        serve(Given("net", Path("net")), grpc_port=0)
    if name == "grpc":
        with pytest.raises(MissingDependencyError):
            Remote("grpc://localhost:1/x")


def test_policies_and_labels_of_a_file_of_models(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        put(tmp_path / "net" / str(version), seed=version)
    config = tmp_path / "models.config"
    text = 'model_config_list { config { name: "%s" base_path: "%s" model_platform: "tensorflow" %s } }'
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "gone" value: 9 }'
    policy = "model_version_policy { specific { versions: 1 versions: 3 } }"
    config.write_text(text % ("net", tmp_path / "net", f"{policy} {labels}"), encoding="utf-8")
    (specific,) = config_files.models(config)
    config.write_text(text % ("all", tmp_path / "net", "model_version_policy { all {} }"), encoding="utf-8")
    (everything,) = config_files.models(config)
    with serve(specific, everything) as server:
        client = Client(server)
        assert states(client) == {"3": "AVAILABLE", "1": "AVAILABLE"}
        assert states(client, "all").keys() == {"3", "2", "1"}
        body = {"instances": [ONE]}
        by_label = client.json("/v1/models/net/labels/stable:predict", body)
        assert by_label == client.json("/v1/models/net/versions/1:predict", body)
        assert by_label != client.json("/v1/models/net:predict", body)
        assert "Specific(net, 9)" in client.error("/v1/models/net/labels/gone:predict", body, 404)


def batching(path: Path) -> Settings:
    return config_files.batching(path, QUICK)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (config_files.models, "model_config_list {}", "no model in it"),
        (config_files.models, 'model_config_list { config { name: "a" } }', "without base_path"),
        (config_files.models, "junk: 1", 'no field named "junk"'),
        (config_files.models, 'model_config_list { config { name: "a" base_path: "b" model_platform: "x" } }', "'x'"),
        (batching, "pad_variable_length_inputs: true", 'no field named "pad_variable_length_inputs"'),
        (batching, "max_batch_size { value: 0 }", "expected 1 or more"),
        (config_files.metrics_path, 'prometheus_config { path: "x" }', "begins with /"),
    ],
)
def test_what_files_ask_for_and_is_not_there_is_named(read: Any, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text, encoding="utf-8")
    with pytest.raises(BakeoffError, match=said):
        read(tmp_path / "file")
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none")


def test_the_other_files_of_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "m").write_text('prometheus_config { enable: true path: "/x" }', encoding="utf-8")
    assert config_files.metrics_path(tmp_path / "m") == "/x"
    with serve(Given("net", put(tmp_path / "net")), metrics_path="/x") as server:
        client = Client(server)
        client.json("/v1/models/net:predict", {"instances": [ONE]})
        client.error("/v1/models/nobody:predict", {}, 404)
        text = client.ask("/x")[1].decode()
        assert ':tensorflow:serving:request_count{model_name="net",status="OK"} 1.0' in text
        assert 'bakeoff_requests_total{code="NOT_FOUND",model="",protocol="tensorflow_rest"} 1.0' in text
        assert "Should be /x" in client.error("/monitoring/prometheus/metrics", None)
    (tmp_path / "b").write_text("max_batch_size { value: 8 } num_batch_threads { value: 2 }", encoding="utf-8")
    found = config_files.batching(tmp_path / "b", QUICK)
    assert (found.rows, found.threads, found.queue) == (8, 2, None)


def test_names_versions_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = put(tmp_path / "my net" / "bundle")
    assert given(str(net)) == Given("my-net", net)
    assert given(f"a={net}@7") == Given("a", net, 7)
    with pytest.raises(UsageError, match="no name for a model"):
        given(f"a/b={net}")
    assert from_environment() is None
    monkeypatch.setenv("MODEL_NAME", "shirts")
    assert from_environment() == Given("shirts", Path("/models/shirts"))
    with pytest.raises(UsageError, match=r"'rest_prt'(.|\n)*did you mean 'rest_port'"):
        bakeoff.serve(net, rest_prt=0)
    with pytest.raises(UsageError, match="two models of one name"):
        serve(given(f"a={net}"), given(f"a={net}"))
    with serve(given(f"a={net}@7")) as server:
        assert states(Client(server), "a") == {"7": "AVAILABLE"}
    with pytest.raises(DataError, match="there is no such file"), serve(given("a=/nowhere")):
        pass


def test_a_folder_of_runs_is_no_model(tmp_path: Path) -> None:
    put(tmp_path / "runs" / "hats")
    with (
        pytest.raises(DataError, match=r"a folder of runs.*Name one: .*hats"),
        bakeoff.serve(tmp_path / "runs", rest_port=0),
    ):
        pass


def test_nobody_there_and_another_name_are_said(client: Client) -> None:
    with pytest.raises(BakeoffError, match="Is the server running"):
        Remote("http://localhost:1/v1/models/net").ask(image())
    with pytest.raises(BakeoffError, match="that was asked for is 'model'; name another at the end"):
        Remote(client.server.url).ask(image())
