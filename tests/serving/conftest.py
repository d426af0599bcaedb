"""Four small nets, and a server of them, for all tests of the room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Client, put, put_telling

from bakeoff.serving import serve


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    put(folder / "net")
    put(folder / "tags", loss="multi_label_cross_entropy", threshold=0.4)
    put(folder / "two", classes=("no", "yes"), loss="binary_cross_entropy")
    put_telling(folder / "knows")
    return folder


@pytest.fixture(scope="session")
def client(bundles: Path) -> Iterator[Client]:
    models = {name: bundles / name for name in ("net", "tags", "two", "knows")}
    with serve(models, rest_port=0, grpc_port=0, grace_s=0.0, rows=16, body_s=2.0) as server:
        yield Client(server)
