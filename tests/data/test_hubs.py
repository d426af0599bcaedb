"""Sources that libraries bring, tested with what the libraries write; each skips where its library is missing."""

from __future__ import annotations

import http.server
import importlib.util
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import numpy as np
import pytest
from image_folders import write_folder

from bakeoff.data import read_data
from bakeoff.data.reader import find_source, read_table
from bakeoff.data.sources import _hub, url
from bakeoff.errors import DataError, MissingDependencyError


def needs(*libraries: str) -> pytest.MarkDecorator:
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (extra `sources` or `zoo`)")


def script(code: str, place: Path) -> None:
    """Run in a process of its own: these libraries bring frameworks with them."""
    file = place / "make_it.py"
    file.write_text(code)
    result = subprocess.run([sys.executable, "-W", "ignore", str(file), str(place)], capture_output=True, text=True)
    file.unlink()
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        ("tfds/mnist", _hub.Spec("mnist")),
        ("tfds/a/b:1.0.0", _hub.Spec("a/b:1.0.0")),
        ("tfds/cats_vs_dogs:train[:80%]", _hub.Spec("cats_vs_dogs", ("train[:80%]",))),
        (
            "tfds/cats_vs_dogs:1.*:train[:80%],train[80%:90%],train[90%:]?data_dir=d",
            _hub.Spec("cats_vs_dogs:1.*", ("train[:80%]", "train[80%:90%]", "train[90%:]"), {"data_dir": "d"}),
        ),
        ("tfds/x?image=a&label=b", _hub.Spec("x", (), {"image": "a", "label": "b"})),
    ],
)
def test_what_is_asked_for(words: str, spec: _hub.Spec) -> None:
    assert _hub.parse(Path(words), "tfds") == spec


def test_what_can_not_be_asked_for() -> None:
    for words in ("tfds/x:a,b,c,d", "tfds/x:a,,b", "tfds/:train"):
        with pytest.raises(DataError, match="expected tfds/NAME"):
            _hub.parse(Path(words), "tfds")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hub, "_version", lambda library: "")
    for words, library in (
        ("tfds/a", "tensorflow_datasets"),
        ("hf/a", "datasets"),
        ("torchvision/MNIST", "torchvision"),
    ):
        with pytest.raises(MissingDependencyError, match=library):
            read_data(words)


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "hf" / "mine", {"a": 5, "b": 5})
    assert len(read_data("hf/mine")) == 10


TFDS = """
import sys
import numpy as np
import tensorflow_datasets as tfds

class Shapes(tfds.core.GeneratorBasedBuilder):
    pkg_dir_path = sys.argv[1]
    VERSION = tfds.core.Version("1.0.0")
    def _info(self):
        features = tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=["square", "circle"]),
        })
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))
    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}
    def _generate_examples(self):
        draw = np.random.default_rng(0)
        for number in range(50):
            pixels = draw.integers(0, 256, (40 + number % 3, 48, 3), dtype=np.uint8)
            yield number, {"image": pixels, "label": number % 2}

Shapes(data_dir=sys.argv[1]).download_and_prepare()
"""


@needs("tensorflow_datasets", "tensorflow")
def test_tfds(tmp_path: Path) -> None:
    script(TFDS, tmp_path)
    place = f"tfds/shapes:train[:80%],train[80%:90%],train[90%:]?data_dir={tmp_path}"
    data = read_data(place)
    assert data.classes == ("square", "circle")  # in the order of the library
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 40, "validation": 5, "test": 5}
    content = (Path(str(data.images.table.root)) / str(data.manifest.paths[0])).read_bytes()
    assert content.startswith(b"\xff\xd8")  # the file that was put in, not one made anew
    whole = read_data(f"tfds/shapes?data_dir={tmp_path}")
    assert len(whole) == 50
    assert (whole.manifest.split == -1).all()
    assert set(map(bytes, whole.manifest.sha256)) == set(map(bytes, data.manifest.sha256))
    with pytest.raises(DataError, match="tfds/absent"):
        read_data(f"tfds/absent?data_dir={tmp_path}")


HF = """
import sys
import datasets, numpy as np
from pathlib import Path
from PIL import Image
root = Path(sys.argv[1])
features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["zebra", "ant"])})
draw = np.random.default_rng(0)
for split, count in (("train", 30), ("test", 6)):
    rows = {
        "image": [Image.fromarray(draw.integers(0, 256, (50, 40 + n % 2, 3), dtype=np.uint8)) for n in range(count)],
        "label": [n % 2 for n in range(count)],
    }
    (root / "repo" / "data").mkdir(parents=True, exist_ok=True)
    made = datasets.Dataset.from_dict(rows, features=features)
    made.to_parquet(root / "repo" / "data" / f"{split}-00000-of-00001.parquet")
"""


@needs("datasets", "pyarrow")
def test_hugging_face_and_its_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    script(HF, tmp_path)
    data = read_data(f"hf/{tmp_path / 'repo'}")
    assert data.classes == ("zebra", "ant")
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": len(data.train),
        "validation": 30 - len(data.train),
        "test": 6,
    }
    monkeypatch.chdir(tmp_path)
    sliced = read_data("hf/repo:train[:80%],train[80%:],test")
    assert {name: len(split) for name, split in sliced.splits.items()} == {"train": 24, "validation": 6, "test": 6}
    plain = read_data(tmp_path / "repo" / "data")  # the Parquet files themselves
    assert plain.classes == ("zebra", "ant")
    assert sorted(map(bytes, plain.manifest.sha256)) == sorted(map(bytes, data.manifest.sha256))
    with pytest.raises(DataError, match="hf/none/such"):
        read_data("hf/none/such")


@needs("pyarrow")
def test_parquet_of_paths(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    write_folder(tmp_path, {"p": 20})
    columns = {
        "path": [f"p/{n:03d}.png" for n in range(20)],
        "label": ["a" if n % 2 else "b" for n in range(20)],
        "split": ["train"] * 16 + ["test"] * 4,
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "list.parquet")
    data = read_data(tmp_path / "list.parquet")
    assert (len(data), len(data.test or ()), data.classes) == (20, 4, ("a", "b"))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 rubbish")
    with pytest.raises(DataError, match="no Parquet"):
        read_data(tmp_path / "bad.parquet")


@needs("torchvision")
def test_torchvision_arrays(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    draw = np.random.default_rng(0)
    kept = {}
    for stem, count in (("train", 60), ("t10k", 20)):
        x, y = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 10
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, *x.shape) + x.tobytes())
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + y.tobytes())
        kept[stem] = x
    table = read_table(Path(f"torchvision/MNIST?root={tmp_path}"))
    assert table.classes[:2] == ("0 - zero", "1 - one")
    assert table.pixels is not None
    assert np.array_equal(table.pixels, np.concatenate(list(kept.values())))
    assert table.split.tolist() == [0] * 60 + [2] * 20
    with pytest.raises(DataError, match="did you mean 'MNIST'"):
        read_data(f"torchvision/mnist?root={tmp_path}")


@needs("torchvision")
def test_torchvision_files_stay_as_they_are(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "photos", {"a": 12, "b": 12}, size=(70, 80))
    data = read_data(f"torchvision/ImageFolder?root={root}")
    assert data.fingerprint == read_data(root).fingerprint


@needs("webdataset")
def test_shards_of_the_library(tmp_path: Path) -> None:
    code = """
import sys, numpy as np, webdataset as wds
draw = np.random.default_rng(0)
with wds.ShardWriter(sys.argv[1] + "/train-%03d.tar", maxcount=8, verbose=0) as sink:
    for n in range(24):
        image = draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        sink.write({"__key__": f"s{n:05d}", "png": image, "cls": n % 3, "json": {"n": n}})
"""
    script(code, tmp_path)
    data = read_data(tmp_path)
    assert (len(data), data.classes) == (24, ("0", "1", "2"))
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == [f"train-00{n}.tar" for n in range(3)]


def test_urls_survive_being_paths() -> None:
    for text in ("s3://bucket/a b/c", "memory://x", "https://host/a.zip", "file:///tmp/x"):
        assert url.url_of(Path(text)) == text
    for text in ("a/b", "C:/x", "/x:/y", "x:y"):
        assert not url.accepts(Path(text))


@needs("fsspec")
def test_memory(tmp_path: Path) -> None:
    import fsspec

    root = write_folder(tmp_path, {"train/cat": 9, "train/dog": 9, "test/cat": 3, "test/dog": 3})
    system = fsspec.filesystem("memory")
    system.put(str(root), "/pets", recursive=True)
    data = read_data("memory://pets")
    assert data.fingerprint == read_data(root).fingerprint
    system.rm("/pets/train/cat/000.png")
    assert len(read_data("memory://pets")) == len(data) - 1  # what is gone there is gone here
    with pytest.raises(DataError, match="nothing is there"):
        read_data("memory://nowhere")
    with pytest.raises((DataError, MissingDependencyError)):
        read_data("nosuch://place")


class Bucket(http.server.BaseHTTPRequestHandler):
    """As much of S3 as a reader needs: list, head, get (with ranges)."""

    root: Path
    asked: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlparse(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = parse_qs(parts.query)
        self.asked.append(f"{self.command} {key}")
        if bucket != "pets":
            return self.answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        if not key:
            return self.answer(200, self.listing(query.get("prefix", [""])[0], query.get("delimiter", [""])[0]))
        place = self.root / key
        if not place.is_file():
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        content = place.read_bytes()
        if match := re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            return self.answer(206, content[int(match[1]) : int(match[2]) + 1])
        return self.answer(200, content)

    def listing(self, prefix: str, delimiter: str) -> bytes:
        keys = sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())
        own = [key for key in keys if key.startswith(prefix)]
        folders = sorted({prefix + key[len(prefix) :].split("/")[0] + "/" for key in own if "/" in key[len(prefix) :]})
        if delimiter:
            own = [key for key in own if "/" not in key[len(prefix) :]]
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>{(self.root / key).stat().st_size}</Size><ETag>&quot;{key}&quot;</ETag>"
            "<LastModified>2024-01-01T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
            for key in own
        )
        common = "".join(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in folders if delimiter)
        text = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>pets</Name>'
            f"<IsTruncated>false</IsTruncated><KeyCount>{len(own)}</KeyCount>{rows}{common}</ListBucketResult>"
        )
        return text.encode()

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    asked: list[str] = []
    root = tmp_path / "bucket"
    root.mkdir()
    handler = type("Own", (Bucket,), {"root": root, "asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", root, asked
    server.shutdown()
    server.server_close()
    thread.join()


@needs("s3fs")
def test_s3(bucket: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    address, root, asked = bucket
    write_folder(root / "photos", {"cat": 8, "dog": 8})
    monkeypatch.setitem(fsspec.config.conf, "s3", {"anon": True, "endpoint_url": address})
    data = read_data("s3://pets/photos")
    assert data.fingerprint == read_data(root / "photos").fingerprint
    first = sum(line.startswith("GET photos") for line in asked)
    assert first == 16
    fsspec.filesystem("s3", **fsspec.config.conf["s3"]).invalidate_cache()
    assert read_data("s3://pets/photos").fingerprint == data.fingerprint
    assert sum(line.startswith("GET photos") for line in asked) == first  # nothing is fetched twice
    with pytest.raises(DataError, match="s3://pets/none"):
        read_data("s3://pets/none")


@needs("fsspec", "aiohttp")
def test_an_archive_behind_http(bucket: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    import shutil

    address, root, _ = bucket
    write_folder(tmp_path / "photos", {"cat": 8, "dog": 8})
    shutil.make_archive(str(root / "photos"), "zip", tmp_path, "photos")
    assert read_data(f"{address}/pets/photos.zip").fingerprint == read_data(tmp_path / "photos").fingerprint


def test_a_remote_name_cannot_leave_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Evil:
        def isfile(self, place: str) -> bool:
            return False

        def find(self, place: str, detail: bool) -> dict[str, dict[str, int]]:
            return {"/x/../../../../evil.png": {"size": 1}}

        def _strip_protocol(self, place: str) -> str:
            return "/x"

    with pytest.raises(Exception, match="leads elsewhere"):
        url._copied(Evil(), "/x", "evil://x", None)


def test_sources_answer_by_name_alone(tmp_path: Path) -> None:
    for words, name in (
        ("tfds/a", "tfds"),
        ("hf/a/b", "hf"),
        ("torchvision/MNIST", "torchvision"),
        ("s3://b/c", "url"),
    ):
        assert find_source(Path(words)).__name__.endswith(f".{name}")  # type: ignore[attr-defined]
