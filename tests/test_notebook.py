"""At first touch, in a prompt and a notebook: short reprs, cards, a live bar, images of any kind, Ctrl-C."""

from __future__ import annotations

import inspect
import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bakeoff
import bakeoff.comparison.api
import bakeoff.conversion.live
import bakeoff.training.api
from bakeoff import frameworks, models
from bakeoff.bundle import Bundle
from bakeoff.data import write_digits
from bakeoff.drawing.card import Card
from bakeoff.errors import Cancelled, UsageError
from bakeoff.preprocessing import Signature
from bakeoff.rundir.finished import Finished
from bakeoff.schemas import Brief, Certificate, Check, Figures

LONGEST = 2000
SCRIPT = (
    "bakeoff.train('digits', 'mnist-cnn', run={run!r}, overrides=['phases.0.epochs={epochs}'], "
    "options=bakeoff.Options(threads=1{more}))"
)
needs_torch = pytest.mark.skipif(frameworks.version("torch") is None, reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    write_digits(folder / "digits")
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    if frameworks.version("torch") is None:
        pytest.skip("PyTorch is not installed")
    done = python(home, "import bakeoff; " + SCRIPT.format(run="run", epochs=1, more=""))
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == "", "output that is redirected stays empty"
    return home / "run"


@pytest.fixture(scope="module")
def model(home: Path) -> bakeoff.Model:
    """A net that was not trained, in colour: what goes in is what is tested."""
    graph = models.build("mnist_cnn", (12, 12), 3, 10, seed=5)
    names = tuple(f"<i>{number}" for number in range(10))
    return bakeoff.Model(Bundle(graph, Signature((12, 12), mean=(0.5,), std=(0.25,)), names), home / "a & b")


def python(home: Path, code: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, timeout=300, **more)


def test_reprs_are_short(home: Path, run: Path) -> None:
    data, model, trained = bakeoff.read_data(home / "digits"), bakeoff.load(run), bakeoff.training.api.resume(run)
    assert data.test is not None
    rows = model.predict(home / "digits")
    assert len(rows) == 1797
    shown = {
        "data": data, "model": model, "trained": trained, "result": trained.result, "facts": trained.facts,
        "rows": rows, "evaluated": bakeoff.evaluate(run), "audit": bakeoff.audit(home / "digits", suspects=False),
        "batch": next(data.train.batches(batch_size=4)), "many": Certificate((Check("x" * 99, 1, 1, True),) * 99),
        **{name: getattr(model, name) for name in ("bundle", "graph", "signature", "opened")},
        **{name: getattr(data, name) for name in ("manifest", "images", "rules", "test")},
    }  # fmt: skip
    for name, value in shown.items():
        assert 10 < len(repr(value)) <= LONGEST, name
    assert "Model('" in repr(model)
    assert "10 classes: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more" in repr(model)
    assert "test: " in repr(trained)
    assert len(repr(Figures({str(number): "x" * 100 for number in range(5000)}))) <= LONGEST
    assert len(Card("t" * 9000, {"k": "v" * 9000}).line("Data")) <= LONGEST


def test_every_value_with_more_than_a_few_fields_has_a_short_repr() -> None:
    """Values whose repr dataclasses would write out in whole: what holds arrays, graphs or columns says so."""
    from bakeoff.comparison.api import Compared
    from bakeoff.training.api import Trained
    from bakeoff.tuning.api import Tuned

    assert all(issubclass(one, Finished) and one.__repr__ is Finished.__repr__ for one in (Compared, Trained, Tuned))
    assert all(one.__repr__ is Brief.__repr__ for one in Brief.__subclasses__())


def test_cards_are_safe_and_have_figures_a_curve_and_thumbnails(
    home: Path, run: Path, model: bakeoff.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, trained = bakeoff.read_data(home / "digits"), bakeoff.training.api.resume(run)
    assert data._repr_html_().count("<img ") == 10
    assert "train 1,470, validation 162, test 165" in data._repr_html_()
    assert "<polyline" in trained._repr_html_() or "<circle" in trained._repr_html_()
    page = model.predict([home / "digits" / "3", home / "none.png", Image.new("RGB", (9, 9))])._repr_html_()
    assert page.count("<figure>") == 12
    for text in (page, model._repr_html_()):
        assert "&lt;i&gt;" in text
        assert "<i>" not in text
    assert "a &amp; b" in model._repr_html_()
    result = {
        "verdict": "The same", "parity": {"passed": True, "checks": [{"passed": True}]},
        "frameworks": {"torch": {"accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "images_per_s": 12.0}},
    }  # fmt: skip
    compared = bakeoff.comparison.api.Compared(home, result)
    assert "50.0 % (40.0 to 60.0), 12 images/s" in compared._repr_html_()
    assert "1 of 1 passed" in repr(compared)
    converted = bakeoff.conversion.live.Converted(object(), Certificate((Check("logits.given", 1e-7, 1e-5, True),)))
    assert "passed, 1 checks" in converted._repr_html_()
    assert "logits.given: 1.0e-07 of 1.0e-05" in repr(converted)
    assert converted[1].passed


def test_predict_takes_paths_images_arrays_bytes_and_files(model: bakeoff.Model, home: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 11, 4), dtype=np.uint8)
    turned = Image.fromarray(pixels[..., :3])
    exif = turned.getexif()
    exif[0x0112] = 6
    for name, image, more in (
        ("rgba.png", Image.fromarray(pixels), {}),
        ("grey.png", Image.fromarray(pixels[..., 0]), {}),
        ("deep.png", Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), {}),
        ("turned.jpg", turned, {"exif": exif}),
    ):
        path = home / name
        image.save(path, **more)
        with path.open("rb") as file, Image.open(path) as opened:
            content = path.read_bytes()
            rows = model.predict([path, str(path), content, bytearray(content), io.BytesIO(content), file, opened])
        assert len({tuple(row["top"][0]) for row in rows}) == 1, name
        assert [row["path"] for row in rows] == [str(path)] * 2 + [f"image {n}" for n in (2, 3, 4)] + [str(path)] * 2
    arrays = [pixels, pixels[..., 0], pixels[..., :1], pixels[..., :3]]
    rows = model.predict(arrays)
    assert rows[0]["top"] == model.predict(home / "rgba.png")[0]["top"]
    assert rows[1]["top"] == rows[2]["top"] == model.predict(home / "grey.png")[0]["top"]
    assert model.predict(np.stack([pixels, pixels]))[1]["top"] == rows[0]["top"]
    assert model.predict(iter(arrays))[3]["top"] == model.predict(pixels[..., :3])[0]["top"] == rows[3]["top"]
    assert len(model.predict(Image.fromarray(pixels))) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "image 0: int; expected a path, bytes"),
        ([b"", None], "image 1: NoneType; expected"),
        (np.zeros((4, 4)), r"image 0: an array of float64, \(4, 4\); expected"),
        (np.zeros((3, 4, 5), np.uint8), r"an array of uint8, \(3, 4, 5\); expected"),
        (np.zeros((0, 4), np.uint8), r"an array of uint8, \(0, 4\); expected"),
        (io.StringIO("x"), "opened as text; open it with mode 'rb'"),
        ([], "no image was given"),
    ],
)
def test_what_is_no_image_is_said(model: bakeoff.Model, given: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        model.predict(given)


def test_bytes_that_are_no_image_have_a_row(model: bakeoff.Model) -> None:
    assert model.predict([b"hello", b""]) == [
        {"path": "image 0", "error": "text, not an image"},
        {"path": "image 1", "error": "empty (0 bytes)"},
    ]


SHOWS = ("train", "compare", "convert", "tune", "evaluate", "audit", "read_data")


@pytest.mark.parametrize("name", SHOWS)
def test_help_says_how_to_be_quiet(name: str) -> None:
    verb = getattr(bakeoff, name)
    assert inspect.signature(verb).parameters["quiet"].default is False
    assert "quiet" in (inspect.getdoc(verb) or "")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
@pytest.mark.parametrize("more", ["", ", quiet=True"])
def test_a_script_on_a_terminal_has_a_bar(home: Path, more: str) -> None:
    ours, theirs = os.openpty()
    code = f"import bakeoff; bakeoff.audit('digits', suspects=False{more})"
    kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(all_of, ours)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=home, stdout=PIPE, stderr=theirs, env={**kept, "TERM": "xterm-256color"}
        )
        os.close(theirs)
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert heard.result() == b"" if more else b"%" in heard.result()


def all_of(terminal: int) -> bytes:
    found = bytearray()
    try:
        while part := os.read(terminal, 4096):
            found.extend(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    return bytes(found)


@needs_torch
def test_ctrl_c_leaves_a_run_that_predicts_and_goes_on(home: Path) -> None:
    code = "import bakeoff; " + SCRIPT.format(run="stopped", epochs=5000, more=", checkpoint_every='10 steps'")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=home, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((home / "stopped").glob("checkpoints/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert f"{Cancelled.__module__}.Cancelled: stopped" in said
    assert "bakeoff train --resume stopped" in said
    model = bakeoff.load(home / "stopped")  # its last checkpoint
    assert model.predict(home / "digits" / "3" / "0003.png")[0]["label"] in model.classes


CELLS = (
    "import bakeoff",
    "data = bakeoff.read_data('digits')\ndata",
    "trained = " + SCRIPT.format(run="cells", epochs=6, more="") + "\ntrained",
    "model = bakeoff.load(trained.path)\nmodel",
    "model.predict('digits/3')",
    "bakeoff.evaluate(trained.path)",
)


@needs_torch
@pytest.mark.skipif(not all(map(find_spec, ("nbclient", "nbconvert", "ipykernel"))), reason="Jupyter is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_is_executed_and_rendered(home: Path) -> None:
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(made, timeout=200, resources={"metadata": {"path": str(home)}}).execute()
    outputs = [cell.outputs for cell in made.cells]
    results = [[one.data for one in each if one.output_type == "execute_result"] for each in outputs]
    assert all("text/html" in result[0] for result in results[1:5])
    bars = [one.data["text/html"] for one in outputs[2] if one.output_type == "display_data"]
    assert len(bars) == 1, "one bar, redrawn in place"
    assert "epoch" in bars[0] or "<progress" not in bars[0]
    assert not [one for each in outputs for one in each if one.output_type in ("stream", "error")]
    assert all(len(result[0]["text/plain"]) <= LONGEST for result in results[1:])
    page, _ = HTMLExporter().from_notebook_node(made)
    assert page.count('class="bakeoff"') == 4
    (home / "notebook.html").write_text(page, encoding="utf-8")


def test_a_bar_in_a_notebook_is_one_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a kernel that is pretended: Jupyter itself need not be installed."""
    import types

    from bakeoff.workers import progress

    pages: list[str] = []

    class Handle:
        def update(self, page: str) -> None:
            pages.append(page)

    def display(page: str, display_id: bool) -> Handle:
        pages.append(page)
        return Handle()

    shown = types.SimpleNamespace(HTML=str, display=display)
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()), display=shown)
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", shown)  # type: ignore[arg-type]
    monkeypatch.setattr(progress, "DRAWN_EVERY_S", -1)

    @progress.live()
    def work(*, listen: Any = None, quiet: bool = False) -> None:
        if listen:
            listen({"kind": "progress", "phase": "a <b>", "done": 1, "total": 4, "unit": "images", "note": ""})
            listen({"kind": "log", "text": "epoch <1>"})
            work(listen=None)  # one bar at a time

    work()
    assert len(pages) == 3
    assert '<progress value="1" max="4"></progress> a &lt;b&gt;  25 %' in pages[0]
    assert pages[-1] == "epoch &lt;1&gt;"
    work(quiet=True)
    assert len(pages) == 3
