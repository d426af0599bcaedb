"""Hostile pickles in each container that torch has used: refused by name, and nothing of them is executed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from payloads import CONTAINERS, MARK, PICKLES, TOUCH, bomb, call, in_dict, number, storage, text

from bakeoff import checkpoints
from bakeoff.data.sources._unpickle import plain
from bakeoff.errors import CorruptError


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
