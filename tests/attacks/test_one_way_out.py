"""Everything that is written, renamed or removed goes through `bakeoff.files`, which follows no link.

And no file is mapped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "bakeoff"
CALLS = re.compile(
    r"os\.(rename|replace|remove|unlink|rmdir|removedirs|mkdir|makedirs|mkfifo|link|symlink|truncate|ftruncate)"
    r"|shutil\.(rmtree|move|copy\w*)|tempfile\.\w+|(np|numpy)\.save\w*|\w*\.?(open_memmap|copytree)"
    r"|.+\.(write_text|write_bytes|mkdir|unlink|rmdir|rename|touch|symlink_to|hardlink_to|tofile|truncate|rmtree)"
)
OPENS = re.compile(r"(io\.|os\.|zipfile\.|tarfile\.|gzip\.|)(open|ZipFile)|.+\.open")
FRESH = """  into a folder that `files` has just made beside the place of the output, or among temporary ones
conversion/output.py conversion/page_alone.py conversion/sourcing.py conversion/work.py data/sources/_writer.py
difference/inputs.py difference/recording.py difference/replay.py difference/user.py frameworks/tensorflow/decode.py
exports/formats/keras.py exports/formats/onnx.py exports/formats/torch.py exports/source/_keras_file.py
exports/source/_torch_file.py
evaluation/shared.py parity/trace.py parity/trial.py runtimes/keras_file.py runtimes/litert.py runtimes/savedmodel.py
zoo/sources/transformers.py
"""
ELSEWHERE = {  # what doesn't go through there, and why it may
    "files.py": "it is the way out",
    "system.py": "folders, one in the other, each looked up in the one above it",
    "rundir/lock.py": "empties the file that it holds",
    "rundir/folder.py": "cuts a log that it has opened",
    "training/probe/out_of_fold.py": "cuts a file that it has opened",
    "data/pixel_cache.py": "gives a new file its length",
    "comparison/kept.py": "the empty folder that it has just made",
    "training/api.py": "folders that are empty",
    "data/made.py": "a new folder takes its name, and none that is there is replaced",
    "runtimes/torch_export.py": "an archive in memory",
    "zoo/census.py": "a developer's tool: it writes into the source",
    "workers/launch.py": "a temporary file without a name",
    "training/together.py": "a temporary folder of its own",
    "cli/_errors.py": "the system's own nothing",
    "cli/_output.py": "the system's own nothing",
}


def ways(text: str) -> Iterator[tuple[int, str]]:
    """Lines that open to write, make, rename or remove, and what they call."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = [*node.args, *(word.value for word in node.keywords)]
        writes = name == "os.open" or (OPENS.fullmatch(name) and any(map(_writes, given)))
        if writes or (CALLS.fullmatch(name) and not _is_stream(node)):
            yield node.lineno, name


def _writes(value: ast.expr) -> bool:
    mode = value.value if isinstance(value, ast.Constant) else None
    return isinstance(mode, str) and re.fullmatch(r"(?=.*[wax+])[rwaxbt+]{1,4}", mode) is not None


def _is_stream(node: ast.Call) -> bool:
    """NumPy, writing into a file that is open."""
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Name) and first.id in ("file", "stream", "target") and "save" in ast.unparse(node.func)


FILES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("name", [name for name in FILES if name not in (*ELSEWHERE, *FRESH.split())])
def test_there_is_one_way_out(name: str) -> None:
    assert list(ways((SOURCE / name).read_text(encoding="utf-8"))) == [], "use bakeoff.files"


@pytest.mark.parametrize("name", sorted([*ELSEWHERE, *re.findall(r"\S+[.]py", FRESH)]))
def test_what_goes_elsewhere_is_still_there(name: str) -> None:
    assert list(ways((SOURCE / name).read_text(encoding="utf-8")))


WRITES = """open(p, "w"); p.open("ab"); p.open(mode="r+b"); open(file=p, mode="x"); p.write_text(t); p.mkdir()
os.replace(a, b); shutil.rmtree(p); np.savez(p, a=a); np.savez(self.path, a=a); os.open(p, flags); tempfile.mkstemp()
zipfile.ZipFile(p, "w"); a.b.unlink(missing_ok=True); shutil.copyfile(a, b)"""


@pytest.mark.parametrize("line", re.split("; |\n", WRITES))
def test_ways_out_are_found(line: str) -> None:
    assert list(ways(line))


@pytest.mark.parametrize("line", ["open(p)", 'p.open("rb")', "np.savez(file, a=a)", 'text.replace("a", "b")'])
def test_ways_in_are_none(line: str) -> None:
    assert not list(ways(line))


MAPS = r"memmap\(|mmap_mode|safe_open|load_file|model_path=|mmap\.mmap\((?!-1)"

MAPPED = {
    "data/shards/columns.py": "ten million rows aren't read whole: a copy in the cache, which nobody else has open"
}


@pytest.mark.parametrize("name", [name for name in FILES if name not in MAPPED])
def test_no_file_is_mapped(name: str) -> None:
    """Where others make a mapped file shorter, the process that looks there ends by SIGBUS."""
    assert re.findall(MAPS, (SOURCE / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("line", ["np.memmap(p)", "np.load(p, mmap_mode='r')", "mmap.mmap(handle, 0)", "safe_open(p)"])
def test_maps_are_found(line: str) -> None:
    assert re.search(MAPS, line)
