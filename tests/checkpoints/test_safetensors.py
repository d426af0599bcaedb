"""safetensors are read as their library reads them, and a lying header is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bakeoff import checkpoints
from bakeoff.errors import CorruptError, DataError


def test_reads_what_the_library_wrote(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6, dtype="f4").reshape(2, 3),
        "b.c": np.array([True, False]),
        "n": np.array(7),
        "empty": np.zeros((0, 3), "f8"),
    }
    save_file(arrays, tmp_path / "x.safetensors", metadata={"format": "pt"})
    found = checkpoints.read(tmp_path / "x.safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    write(tmp_path / "x.safetensors", {"w": row("BF16", [2], 0, 4)}, b"\xc0\x3f\x00\xc0")
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "x.safetensors")["w"], [1.5, -2.0])


def test_a_file_that_is_made_shorter_later_costs_nothing(tmp_path: Path) -> None:
    """A map of it would end the process: SIGBUS."""
    path = tmp_path / "x.safetensors"
    save_file({"w": np.arange(1 << 20)}, path)
    found = checkpoints.read(path)["w"]
    os.truncate(path, 0)
    np.testing.assert_array_equal(found, np.arange(1 << 20))


def row(dtype: str, shape: list[Any], first: Any, last: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def write(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize(
    ("header", "data", "length"),
    [
        ({"w": row("F32", [1], 0, 4)}, b"abc", None),
        ({"w": row("F32", [1], 0, 4)}, b"abcde", None),
        ({"w": row("F32", [2], 0, 4)}, b"abcd", None),
        ({"w": row("F32", [2**62, 4], 0, 4)}, b"abcd", None),
        ({"w": row("F32", [-1], 0, 4)}, b"abcd", None),
        ({"w": row("F99", [1], 0, 4)}, b"abcd", None),
        ({"w": row("F32", [1], 0, 4), "v": row("F32", [1], 0, 4)}, b"abcd", None),
        ({"w": row("F32", [1], 4, 8)}, b"abcdefgh", None),
        ({"w": row("F32", [1.0], 0, 4)}, b"abcd", None),
        ([1], b"", None),
        (b"{", b"", None),
        (b'{"w": {}, "w": {}}', b"", None),
        (b"[" * 100_000, b"", None),
        ({}, b"", 2**60),
    ],
)
def test_a_lying_header_is_refused(header: Any, data: bytes, length: int | None, tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", header, data, length)
    with pytest.raises(CorruptError):
        checkpoints.read(path)


def test_files_of_no_known_format_are_named(tmp_path: Path) -> None:
    for name in ("x.zip", "x", "x.pt2", "x.onnx"):
        (tmp_path / name).write_bytes(b"hello")
        with pytest.raises(DataError, match=r"\.safetensors"):
            checkpoints.read(tmp_path / name)
    with pytest.raises(DataError, match="No such file"):
        checkpoints.read(tmp_path / "nothing.pth")
