"""The files of `deploy/`: linted, held to published schemas (`make test-clients`); what they tell the server."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from bakeoff.cli._app import build

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CLIENTS = ROOT / ".venv-clients" / "bin"
CHECKS = (
    ("hadolint", "Dockerfile", "Dockerfile.gpu"),
    ("check-jsonschema --builtin-schema vendor.compose-spec", "compose.yaml"),
    ("kubernetes-validate --strict", "kubernetes.yaml", "workers/kubernetes.yaml"),
    ("shellcheck", "workers/slurm.sh"),
    (f"python {ROOT}/tests/serving/clients/kserve_reads.py", "kserve.yaml"),
)


FAULTS = {
    "EXPOSE 8500": "EXPOSE 85000",
    "USER 10001": "USER root",
    "containerPort:": "port-of:",
    "ports:": "gates:",
    '"$2"': "$2",
}


def spoiled(text: str) -> str:
    """The same with a fault that a linter or a schema has to see."""
    for found, fault in FAULTS.items():
        if found in text:
            return text.replace(found, fault)
    raise AssertionError("no fault for it")


@pytest.mark.parametrize(("tool", "names"), [(tool, names) for tool, *names in CHECKS])
def test_what_is_deployed_is_linted(tool: str, names: list[str], tmp_path: Path) -> None:
    program, *options = tool.split()
    if not (CLIENTS / program).is_file():
        pytest.skip("the linters are in an environment of their own: make test-clients")
    for name in names:
        command = [str(CLIENTS / program), *options]
        done = subprocess.run([*command, str(DEPLOY / name)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(spoiled((DEPLOY / name).read_text()))
        assert subprocess.run([*command, str(tmp_path / name)], capture_output=True).returncode != 0


def test_what_starts_a_cluster_is_as_rays_own_schema_says() -> None:
    """Ray's launcher holds its file to it, too."""
    ray, jsonschema, yaml = (
        pytest.importorskip(name, reason=f"{name} is not installed") for name in ("ray", "jsonschema", "yaml")
    )
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    text = (DEPLOY / "workers" / "ray.yaml").read_text()
    jsonschema.validate(yaml.safe_load(text), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text.replace("provider:", "cloud:")), schema)
    known = {option for each in get_command(build(["train"])).commands["train"].params for option in each.opts}  # type: ignore[attr-defined]
    asked = set(re.findall(r"(?<= )--?[a-z-]+", re.findall(r'bakeoff train .*"', text)[0]))
    assert {"--workers", "--cluster"} <= asked <= known


def test_what_is_said_to_the_server_are_its_options() -> None:
    command = get_command(build(["serve"])).commands["serve"]  # type: ignore[attr-defined]
    known = {option for each in command.params for option in each.opts}
    texts = [(DEPLOY / name).read_text() for name in ("Dockerfile", "kubernetes.yaml", "kserve.yaml")]
    asked = {word for text in texts for word in re.findall(r'"(--[a-z-]+)"', re.sub(r"(?m)^\s*#.*$", "", text))}
    assert {"--host", "--open", "--grace"} <= asked <= known
    page = (ROOT / "docs" / "how-to" / "migrate-serving.md").read_text()
    told = {word for line in re.findall(r"bakeoff serve ([^#`\n]*)", page) for word in re.findall(r"--[a-z-]+", line)}
    assert {"--name", "--rest-port", "--grpc-port"} <= told <= known


def test_what_starts_workers_says_what_they_need() -> None:
    known = {option for each in get_command(build(["train"])).commands["train"].params for option in each.opts}  # type: ignore[attr-defined]
    for name in ("slurm.sh", "kubernetes.yaml"):
        text = (DEPLOY / "workers" / name).read_text()
        assert {"BAKEOFF_ADDRESS", "BAKEOFF_TOKEN", "--workers"} <= set(re.findall(r"BAKEOFF_\w+|--workers", text))
        asked = re.findall(r"(?m)^\s+- (--[a-z-]+)$", text) + re.findall(r"--(?:run|workers)", text)
        assert set(asked) <= known
