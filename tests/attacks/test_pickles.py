"""Hostile pickles in each container that torch has used: refused by name, and nothing of them is executed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from payloads import CONTAINERS, MARK, PICKLES, TOUCH, bomb, call, in_dict, number, storage, text

from bakeoff import checkpoints
from bakeoff.data.sources._unpickle import plain
from bakeoff.errors import BakeoffError, CorruptError


def test_there_are_thirty() -> None:
    assert len(PICKLES) >= 30


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("attack", PICKLES)
def test_refused_by_name(attack: str, container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickled, name = PICKLES[attack]
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTAINERS[container](pickled))
    with pytest.raises(CorruptError) as caught:
        checkpoints.read(path)
    if container != "bare":  # that is refused before a single opcode is read
        assert any(one in str(caught.value) for one in name.split("|")), str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["weights.pth"]


@pytest.mark.parametrize("attack", ["os.system", "eval", "INST"])
def test_pickle_itself_would_have_been_hacked(attack: str, tmp_path: Path) -> None:
    """The payloads are real: what they do, they do."""
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    subprocess.run([sys.executable, "-c", code], input=PICKLES[attack][0], cwd=tmp_path, capture_output=True)
    assert (tmp_path / MARK).exists()


@pytest.mark.parametrize("attack", ["os.system", "a whole module"])
def test_the_command_refuses_in_few_lines(attack: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTAINERS["zip"](PICKLES[attack][0]))
    line = [sys.executable, "-m", "bakeoff", "convert", "timm/test_resnet", "--weights", str(path), "--to", "onnx"]
    done = subprocess.run([*line, "--output", "out.onnx"], cwd=tmp_path, capture_output=True, text=True)
    if "is not installed" in done.stderr:
        pytest.skip("timm is not installed")
    assert done.returncode == 8, done.stderr
    assert PICKLES[attack][1] in done.stderr
    assert "Traceback" not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["weights.pth"]


UINT8 = b"cnumpy\ndtype\n(" + text("u1") + b"tR"
BLACK = (
    b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(K\x02"
    + number(3072)
    + b"t"
    + UINT8
    + b"\x89"
    + number(6144)
    + b"tb"
)
BATCHES = {
    "a call": (in_dict(call("os system", TOUCH)), "asks for os.system"),
    "content that is a number": (b"}" + text("data") + BLACK + b"s.", "an array without content"),
    "a list that multiplies itself": (bomb(6, 200) + b".", "holds a list"),
    "an opcode of weights alone": (in_dict(storage(text("0"), number(4))), "FloatStorage"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("attack", BATCHES)
def test_a_batch_of_images_is_refused(attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the other list of names: the arrays of NumPy."""
    monkeypatch.chdir(tmp_path)
    pickled, message = BATCHES[attack]
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickled)
    with pytest.raises(CorruptError, match=message):
        plain(path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def tensor(kind: str, numbers: int, size: list[int], stride: list[int]) -> bytes:
    """A window on the storage "0"."""
    held = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text("0") + text("cpu") + number(numbers)
    sides = [b"(" + b"".join(map(number, side)) + b"t" for side in (size, stride)]
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + held + b"tQ" + number(0) + b"".join(sides) + hooks + b"tR"


def many(kind: str, width: int) -> bytes:
    """A storage of 4 MB under a thousand names; numbers of bfloat16 are widened for each."""
    rows = (text(f"w{place}") + tensor(kind, 1 << 20, [1 << 20], [1]) + b"s" for place in range(1000))
    return _with(b"\x80\x02}" + b"".join(rows) + b".", bytes(width << 20))


def _with(pickled: bytes, numbers: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/data/0", numbers)
    return stream.getvalue()


SIZES: dict[str, tuple[bytes, str]] = {
    "a thousand names of one storage": (many("Float", 4), "its tensors claim 4,194,304,000 bytes"),
    "a thousand names, each widened": (many("BFloat16", 2), "its tensors claim 2,097,152,000 bytes"),
    "a number a million times a million": (
        _with(in_dict(tensor("Float", 1, [10**6, 10**6], [0, 0])), bytes(4)),
        "reaches beyond|claim",
    ),
    "windows that overlap": (
        _with(in_dict(tensor("Float", 2000, [1000, 1000], [1, 1])), bytes(8000)),
        "reaches beyond its storage of 2000",
    ),
    "tuples in tuples in tuples": (_with(in_dict(b"(" * 200_000 + b"t" * 200_000), b""), "no tensors"),
    "a dict in a dict in a dict": (
        _with(b"\x80\x02}" + (text("a") + b"}") * 99_999 + b"s" * 99_999 + b".", b""),
        "nested deeper than 4",
    ),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("attack", SIZES)
def test_a_checkpoint_costs_what_its_size_explains(attack: str, tmp_path: Path) -> None:
    content, says = SIZES[attack]
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(CorruptError, match=says):
        checkpoints.read(tmp_path / "a.pth")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_hole_of_a_terabyte_is_named(suffix: str, tmp_path: Path) -> None:
    row = b'{"a":{"dtype":"BF16","shape":[1099511627776],"data_offsets":[0,2199023255552]}}'
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(len(row).to_bytes(8, "little") + row)
    os.truncate(path, 8 + len(row) + (2 << 40))
    with pytest.raises(BakeoffError, match=str(path)):
        checkpoints.read(path)
