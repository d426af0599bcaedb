"""The page at /: in a real browser, by mouse, keyboard and phone; and what it asks, which no other page may."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, Tab, browser
from PIL import Image
from served import CLASSES, Client, image, put

from bakeoff.bundle.layout import Unknown
from bakeoff.data import read_data
from bakeoff.errors import UsageError
from bakeoff.graph.similarity import features_of
from bakeoff.model import load
from bakeoff.models import mnist_cnn_small
from bakeoff.preprocessing.pixels import shown
from bakeoff.serving import serve
from bakeoff.serving.page import html
from bakeoff.serving.page.collect import fit
from bakeoff.serving.settings import Settings

OWN = {"X-Bakeoff-Page": "1"}
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    extra = {"licence": "CC BY-NC 4.0"}
    put(folder / "one", scores={"test": {"accuracy": 0.75, "num": 400}}, extra=extra)
    body = features_of(mnist_cnn_small.build((24, 32), 3, len(CLASSES), 5))
    means = np.eye(len(CLASSES), body.output_shape[1], dtype=np.float32)  # type: ignore[union-attr, arg-type]
    put(folder / "two", seed=5, unknown=Unknown(1.0, 1, 20, means))  # nothing is known to it
    (folder / "a.jpg").write_bytes(image(size=(120, 60)))
    (folder / "b.tiff").write_bytes(image("TIFF", seed=1))
    (folder / "<b>.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Client]:
    with serve(
        {"one": folder / "one"}, rest_port=0, grpc_port=None, grace_s=0.0, collect=folder / "kept", collect_mb=1
    ) as server:
        yield Client(server)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@needs_browser
def test_a_dropped_picture_gets_its_class_and_where_that_comes_from(page: Client, folder: Path, tab: Tab) -> None:
    tab.open(page.server.url)
    tab.drop(folder / "a.jpg", folder / "b.tiff", folder / "<b>.png")
    tab.until("document.querySelectorAll('.heat').length === 2 && document.querySelectorAll('.answer .bad').length")
    model = load(folder / "one")
    for place, name in enumerate(("a.jpg", "b.tiff")):
        (row,) = model.predict(folder / name)
        said = tab.js(f"document.querySelectorAll('.result')[{place}].querySelector('.says').innerText")
        assert said == f"{row['label']} {100 * row['probability']:.1f}\N{NO-BREAK SPACE}%"
        assert tab.js(f"document.querySelectorAll('.result .photo')[{place}].naturalWidth") > 0  # TIFF, too
    box = shown((60, 120), model.signature)
    style = tab.js("(({left, top, width}) => [left, top, width])(document.querySelector('.heat').style)")
    seen = [*box[:2], box[2] - box[0]]
    assert [float(side[:-1]) / 100 for side in style] == pytest.approx(seen, abs=1e-6)  # CSS keeps six digits
    assert "not an image" in tab.js("document.querySelector('.answer .bad').innerText")
    assert "<b>.png" in tab.js("[...document.querySelectorAll('.result h3')].map(one => one.innerText).join()")
    card = tab.js("document.querySelector('.card').innerText")
    assert "75.0\N{NO-BREAK SPACE}% of 400 (70.5 to 79.0)" in card
    assert "Not for commercial use" in card
    assert tab.js("document.querySelectorAll('main i, main b:not(.says b)').length") == 0  # names that are markup
    assert {one.partition("?")[0].removeprefix(page.server.url) for one in tab.asked if one.startswith("http")} == {
        "/", "/page/models", "/page/predict", "/page/heatmap"
    }  # fmt: skip
    assert [one for one in tab.wrong if "Content Security" in one or "Exception" in one] == []


@needs_browser
def test_the_keyboard_is_enough(page: Client, folder: Path, tab: Tab) -> None:
    """Choose a picture, ask where another class comes from, keep it under its class, change the language."""
    tab.open(page.server.url)
    tab.call("Page.setInterceptFileChooserDialog", enabled=True)
    for wanted in ("language", "files"):
        tab.press("Tab")
        assert tab.js("document.activeElement.id") == wanted
    assert tab.js("getComputedStyle(document.activeElement.parentElement).outlineStyle") == "solid"  # it is seen
    tab.press("Enter")
    tab.until("true")
    (asked,) = (one for one in tab.events if one.get("method") == "Page.fileChooserOpened")
    given = {"files": [str(folder / "a.jpg")], "backendNodeId": asked["params"]["backendNodeId"]}
    tab.call("DOM.setFileInputFiles", **given)
    tab.until("document.querySelectorAll('.heat').length")
    second = "document.querySelectorAll('.bars button')[1]"
    walk(tab, f"document.activeElement === {second}")
    tab.press(" ")
    tab.until(f"{second}.getAttribute('aria-pressed') === 'true' && document.querySelectorAll('.heat').length")
    assert tab.js(f"document.activeElement === {second}")  # it keeps the focus
    name = tab.js(f"{second}.querySelector('.label').textContent")
    assert name in tab.until("document.getElementById('said').textContent")
    walk(tab, "document.activeElement.tagName === 'SELECT'")
    tab.press("ArrowDown")
    walk(tab, "document.activeElement.type === 'submit'")
    tab.press("Enter")
    assert "Kept as" in tab.until("document.querySelector('.keep .note').textContent")
    tab.js("document.getElementById('language').focus()")
    tab.press("Enter")
    assert "已存为" in tab.until("document.querySelector('.keep .note').textContent")
    assert tab.js("document.documentElement.lang") == "zh-CN"


@needs_browser
def test_a_token_is_asked_for_and_a_pasted_file_of_any_kind_gets_an_answer(folder: Path, tab: Tab) -> None:
    with serve({"one": folder / "one"}, rest_port=0, grpc_port=None, grace_s=0.0, token="s3cret") as server:
        tab.open(server.url, there="#token:not([hidden])")
        assert "A token is needed" in tab.js("document.getElementById('cards').innerText")
        tab.js("document.getElementById('secret').value = 's3cret'")
        tab.js("document.getElementById('token').requestSubmit()")
        tab.until("document.querySelectorAll('.card').length")
        assert tab.js("document.getElementById('token').hidden")
        tab.js(
            "const data = new DataTransfer(); data.items.add(new File(['<b>text</b>'], 'a.txt', {type: 'text/plain'}));"
            "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))"
        )
        assert "text, not an image" in tab.until("document.querySelector('.answer .bad')?.innerText")
        tab.js("document.querySelector('.result .bare').click()")  # removed: nothing of it is left
        assert tab.js("document.querySelectorAll('.result').length") == 0


def walk(tab: Tab, condition: str) -> None:
    """Tab on until something has the focus."""
    for _ in range(30):
        tab.press("Tab")
        if tab.js(condition):
            return
    pytest.fail(f"no way by Tab to {condition}")


@needs_browser
@pytest.mark.parametrize(("language", "title"), [("en-US", "What does the model see?"), ("zh-CN", "模型看到了什么？")])
def test_it_fits_a_phone_in_both_languages(folder: Path, tab: Tab, language: str, title: str) -> None:
    models = {"one": folder / "one", "a-second-model-with-a-long-name": folder / "two"}
    with serve(models, rest_port=0, grpc_port=None, grace_s=0.0) as server:
        tab.open(server.url, width=390, dark=True, language=language)
        tab.drop(folder / "a.jpg")
        tab.until("document.querySelectorAll('.heat').length === 2")
        assert tab.js("document.querySelector('h1').innerText") == title
        assert tab.js("document.documentElement.scrollWidth") == 390
        assert tab.js("getComputedStyle(document.querySelector('.take')).display") != "none"
        rows = "[...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
        (left,), (right,) = (load(folder / name).predict(folder / "a.jpg") for name in ("one", "two"))
        for name, first, second, difference in tab.js(rows):
            shares = [100 * dict(map(tuple, one["top"]))[name] for one in (left, right)]
            assert [first[:-2], second[:-2]] == [f"{share:.1f}" for share in shares]
            assert float(difference.replace("−", "-")) == pytest.approx(shares[1] - shares[0], abs=0.0501)
        assert tab.js("[...document.querySelectorAll('.answer')].map(one => one.querySelectorAll('.chip').length)") == [
            0,
            1,
        ]
        assert tab.js("document.querySelectorAll('form.keep').length") == 0  # nothing is kept unless it was asked for


def test_both_languages_say_the_same_things() -> None:
    text = html.page().decode()
    found = [set(re.findall(r"(\w+): \"", part)) for part in re.findall(r"\n  (?:en|zh): \{(.*?)\n  \},", text, re.S)]
    assert len(found) == 2
    assert found[0] == found[1]
    used = set(re.findall(r"data-text=\"(\w+)\"", text)) | set(re.findall(r"say\(\"(\w+)\"", text))
    assert used <= found[0]
    assert not re.search(r"https?:|innerHTML|insertAdjacent|document\.write|eval\(", text)


@pytest.mark.parametrize("path", ["/page/predict?model=one", "/page/heatmap?model=one", "/page/keep?label=hat"])
def test_no_other_page_may_ask(page: Client, path: str) -> None:
    own, body = page.server.url, image()
    assert page.ask(path, body, {**OWN, "Origin": own, "Sec-Fetch-Site": "same-origin"})[0] == 200
    for headers in (
        {},
        {**OWN, "Origin": "http://localhost:1"},
        {**OWN, "Origin": "null"},
        {**OWN, "Sec-Fetch-Site": "cross-site", "Origin": own},
        {**OWN, "Sec-Fetch-Site": "same-site"},
    ):
        assert re.match("Only the page|Pages of other", page.error(path, body, 403, headers=headers))
    assert page.ask(path, method="GET")[0] == 404


def test_the_policy_is_that_of_the_page(page: Client) -> None:
    _, content, headers = page.ask("/")
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert policy.count("sha256-") == 2
    assert "unsafe" not in policy
    assert str(Path(html.PAGE).parent).encode() not in content


def test_what_is_kept_is_read_by_train_and_lies_in_one_class(page: Client, folder: Path) -> None:
    kept = folder / "kept"
    moved = image(seed=20, size=(60, 60))
    for seed, label in ((20, "hat"), *((seed, ("hat", "shoes")[seed % 2]) for seed in range(20, 28)), (20, "shoes")):
        found = page.json(f"/page/keep?label={label}", image(seed=seed, size=(60, 40 + seed)), headers=OWN)
        assert found == {"kept": True} or seed == 20
    where = [path.parent.name for path in kept.rglob(f"{sha256(moved).hexdigest()}.jpg")]
    assert where == ["shoes"]
    assert read_data(kept).classes == ("hat", "shoes")
    assert "No model here has this class" in page.error("/page/keep?label=../x", image(), headers=OWN)
    assert "can't be the name of a folder" in page.error("/page/keep?label=%3Ci%3E", image(), headers=OWN)
    assert "not an image" in page.error("/page/keep?label=hat", b"text", headers=OWN)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8))
    noise.save(folder / "large.bmp")
    assert "1 MiB" in page.error("/page/keep?label=hat", (folder / "large.bmp").read_bytes(), 507, headers=OWN)
    assert sorted(one.suffix for one in kept.rglob("*.*")) == [".jpg"] * len(list(kept.rglob("*.*")))


def test_the_page_says_what_predict_says(page: Client, folder: Path) -> None:
    for name in ("one", "two"):
        (row,) = load(folder / name).predict(image(size=(120, 60)), top=9)
        with serve({name: folder / name}, rest_port=0, grpc_port=None, grace_s=0.0) as server:
            found = Client(server).json(f"/page/predict?model={name}", image(size=(120, 60)), headers=OWN)
        assert {key: found.get(key) for key in row if key != "path"} == {key: row[key] for key in row if key != "path"}
        assert ("unknown" in row) == (name == "two")


def test_nothing_is_kept_unless_asked_for(client: Client) -> None:
    assert "--collect" in client.error("/page/keep?label=hat", image(), 403, headers=OWN)
    cards = client.json("/page/models")
    assert cards["keeps"] is None
    assert [card["name"] for card in cards["models"]] == ["net", "tags", "two", "knows"]
    assert "/tmp" not in json.dumps(cards)
    with pytest.raises(UsageError, match="no folder"):
        Settings(collect=Path(__file__))


@pytest.mark.parametrize(
    "label", ["", ".", "..", ".x", "_x", "a/b", "a\\b", "a:b", "a.", " a", "a\n", "<i>", "é" * 128, "\udcff", "a\0"]
)
def test_names_that_lead_elsewhere_are_no_folders(label: str) -> None:
    assert not fit(label)


def test_names_of_people_are() -> None:
    assert all(map(fit, ("hat", "猫", "été 1", "a.b", "é" * 127)))
    assert not fit(CLASSES[-1])
    assert Settings().collect is None
