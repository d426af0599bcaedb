"""Checkpoints are read as torch reads them, and a hostile one is refused by name, with nothing executed."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.checkpoints import torch as _torch_zip
from bakeoff.checkpoints._pickle import parse
from bakeoff.errors import CorruptError, DataError

WRITE = """
import sys, numpy as np, torch
from collections import OrderedDict
folder, base = sys.argv[1], torch.arange(24, dtype=torch.float32)
tensors = OrderedDict(
    plain=base.reshape(2, 3, 4), turned=base.reshape(4, 6).t(), part=base[5:11:2], scalar=torch.tensor(7),
    half=torch.tensor([1.5, -2.0], dtype=torch.float16),
    brain=torch.tensor([[1.5, -2.0, 3.0]], dtype=torch.bfloat16).t(),
    truth=torch.tensor([True, False]), empty=torch.zeros(0, 3), weight=torch.nn.Parameter(torch.ones(2, 2)),
    last=torch.empty(2, 3, 4, 5).normal_().to(memory_format=torch.channels_last))
net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).state_dict()
for name, zipped in (("zip", True), ("legacy", False)):
    saved = {"epoch": 3, "state_dict": tensors, "net": net}
    torch.save(saved, f"{folder}/{name}.pth", _use_new_zipfile_serialization=zipped)
plain = lambda tensor: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
flat = {f"state_dict.{k}": plain(v) for k, v in tensors.items()}
np.savez(f"{folder}/truth.npz", **flat, **{f"net.{k}": v.numpy() for k, v in net.items()})
"""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("numpy")
    folder = tmp_path_factory.mktemp("checkpoints")
    done = subprocess.run([sys.executable, "-c", WRITE, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"torch can't write the examples: {done.stderr[-200:]}")
    return folder


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_reads_what_torch_wrote(checkpoints: Path, kind: str) -> None:
    truth = np.load(checkpoints / "truth.npz")
    found = _torch_zip.read(checkpoints / f"{kind}.pth")
    assert set(found) == set(truth.files)
    for name in truth.files:
        assert found[name].dtype == truth[name].dtype
        np.testing.assert_array_equal(found[name], truth[name], err_msg=name)


@pytest.mark.torch
def test_shared_storages_stay_shared_and_read_only(checkpoints: Path) -> None:
    found = _torch_zip.read(checkpoints / "zip.pth")
    assert np.shares_memory(found["state_dict.plain"], found["state_dict.turned"])
    with pytest.raises(ValueError, match="read-only"):
        found["state_dict.plain"][0] = 1


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_truncated_file_is_refused_wherever_it_ends(checkpoints: Path, kind: str) -> None:
    data = (checkpoints / f"{kind}.pth").read_bytes()
    for end in range(0, len(data) - 1, max(1, len(data) // 97)):
        with pytest.raises(CorruptError):
            _torch_zip.read_bytes(data[:end], "it.pth")


@pytest.mark.torch
def test_flipped_bytes_never_do_more_than_raise(checkpoints: Path) -> None:
    data = bytearray((checkpoints / "legacy.pth").read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(300):
        copy = bytearray(data)
        copy[rng.integers(len(copy))] = rng.integers(256)
        try:
            _torch_zip.read_bytes(bytes(copy), "it.pth")
        except CorruptError:
            continue


class _Attack:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize(
    ("call", "named"),
    [
        (_Attack(os.system, "touch hacked"), "posix.system|nt.system"),
        (_Attack(eval, "1"), "eval"),
        (_Attack(getattr, "x", "upper"), "getattr"),
        (_Attack(os.path.join, "x"), "posixpath.join|ntpath.join"),
    ],
)
def test_a_call_is_refused_by_name(call: _Attack, named: str, protocol: int, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorruptError, match=f"({named}|uses [A-Z]+).*not executed"):
        parse(pickle.dumps({"x": call}, protocol), "it.pth")
    assert not list(tmp_path.iterdir())


def test_only_what_was_given_as_callable_is_called() -> None:
    with pytest.raises(CorruptError, match="calls StorageType"):
        parse(b"ctorch\nFloatStorage\n)R.", "it.pth")
    with pytest.raises(CorruptError, match=r"_rebuild_tensor_v2\.__globals__"):
        parse(b"\x80\x04\x8c\x0ctorch._utils\x8c\x1e_rebuild_tensor_v2.__globals__\x93.", "it.pth")


def test_a_memo_bomb_costs_nothing() -> None:
    def doubled(times: int) -> bytes:
        return b")q\x00" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(times))

    with pytest.raises(CorruptError, match="too many values"):
        parse(doubled(200) + b".", "it.pth")
    with pytest.raises(CorruptError, match="tuple as a key"):  # to hash it would take 2^100 steps
        parse(b"]q\xff" + doubled(100) + b"}h\x64K\x01s.", "it.pth")


def test_dicts_that_hold_each_other_cost_nothing() -> None:
    nested = b"}q\x00" + b"X\x01\x00\x00\x00ah\x00s."
    with pytest.raises(CorruptError, match="nested deeper"):
        _torch_zip.read_bytes(_zip({"a/data.pkl": nested}), "it.pth")
    wide = pickle.dumps(_wide(4), 2)
    with pytest.raises(CorruptError, match="too many entries"):
        _torch_zip.read_bytes(_zip({"a/data.pkl": wide}), "it.pth")


def _wide(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {str(index): inner for index in range(1000)}
    return inner


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _pickle(count: int = 4, size: tuple[int, ...] = (2, 2), stride: tuple[int, ...] = (2, 1), key: str = "0") -> bytes:
    """A state dict of one float tensor, opcode by opcode."""

    def number(value: int) -> bytes:
        return b"\x8a\x08" + struct.pack("<q", value)

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count) + b"tQ"
    shape = b"".join(b"(" + b"".join(map(number, values)) + b"t" for values in (size, stride))
    return b"}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0) + shape + b"\x89NtRs."


GOOD = np.arange(4, dtype="<f4").tobytes()


def test_the_hand_made_example_is_good() -> None:
    found = _torch_zip.read_bytes(_zip({"a/data.pkl": _pickle(), "a/data/0": GOOD}), "it.pth")
    np.testing.assert_array_equal(found["w"], [[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"a/data.pkl": _pickle(), "../data/0": GOOD}, "leaves the archive"),
        ({"a/data.pkl": _pickle(), "/etc/passwd": GOOD}, "leaves the archive"),
        ({"a/data.pkl": _pickle(key="../../x"), "a/data/0": GOOD}, "is missing"),
        ({"a/data.pkl": _pickle()}, "is missing"),
        ({"a/data.pkl": _pickle(), "a/data/0": GOOD[:-4]}, "not 4 numbers long"),
        ({"a/data.pkl": _pickle(count=2**60), "a/data/0": GOOD}, "numbers long"),
        ({"a/data.pkl": _pickle(size=(2, 3)), "a/data/0": GOOD}, "reaches beyond"),
        ({"a/data.pkl": _pickle(stride=(3, 1)), "a/data/0": GOOD}, "reaches beyond"),
        ({"a/data.pkl": _pickle(size=(2**40, 2**40), stride=(0, 0)), "a/data/0": GOOD}, "reaches beyond"),
        ({"a/data.pkl": _pickle(stride=(-1, 1)), "a/data/0": GOOD}, "numbers from 0 up"),
        ({"a/data.pkl": _pickle(stride=(1,)), "a/data/0": GOOD}, "strides"),
        ({"a/constants.pkl": b"N."}, "no torch checkpoint"),
        ({"a/data.pkl": b"N."}, "expected a dict of tensors"),
    ],
)
def test_a_lying_zip_is_refused(members: dict[str, bytes], says: str) -> None:
    with pytest.raises(CorruptError, match=says):
        _torch_zip.read_bytes(_zip(members), "it.pth")


def test_a_compressed_zip_and_a_broken_sum_are_refused() -> None:
    members = {"a/data.pkl": _pickle(), "a/data/0": GOOD}
    with pytest.raises(CorruptError, match="compressed"):
        _torch_zip.read_bytes(_zip(members, zipfile.ZIP_DEFLATED), "it.pth")
    with pytest.raises(CorruptError, match="damaged zip"):
        _torch_zip.read_bytes(_zip(members).replace(GOOD, GOOD[::-1]), "it.pth")


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"hello", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x80\x02\x8a\x0a" + 10 * b"\x01" + b"."]
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError, match=r"it\.pth"):
        _torch_zip.read_bytes(data, "it.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.pth"):
        _torch_zip.read(tmp_path / "nothing.pth")
