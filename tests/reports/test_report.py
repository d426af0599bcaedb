"""The report: complete in itself, escaped, in two languages, for runs and comparisons, and refusing what is broken."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bakeoff import registry
from bakeoff.drawing.svg import Series, heatmap, lines, smoothed, thinned, ticks
from bakeoff.errors import BakeoffError, CorruptError, DataError, UsageError, VersionError
from bakeoff.reports import report
from bakeoff.reports.render import SECTIONS, ordered
from bakeoff.rundir.result import Result
from bakeoff.texts.catalogue import percent, short, size

HOSTILE = '<script>alert("1")</script>'
GATE = {"before": 0.859, "after": 0.891, "difference": 0.032, "interval": [0.005, 0.059], "kept": True}
GATE |= {"confidence": 0.95, "num": 341, "won": 22, "lost": 11}
CLASSES = ["cat", HOSTILE, "猫 & {{ dog }}"]


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps({"schema": 1, **value}, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with an image for each record; one is named to break out of an attribute."""
    root = tmp_path / "photos-of-someone"
    for number, name in enumerate(['a"onerror="x.png', "b<b>.png", "c.png", "d.png", "e.png", "f.png"]):
        folder = root / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200 if number else 8, 150 if number else 8), (40 * number, 90, 30)).save(folder / name)
    return root


def make_run(path: Path, data: Path, framework: str = "torch", *, shift: float = 0.0) -> Path:
    """A run folder as train leaves it: 6 test images, 3 of them wrong."""
    (path / "predictions").mkdir(parents=True)
    facts = Result(
        run=str(path),
        data=str(data),
        framework=framework,
        model="mnist_cnn",
        backbone=None,
        classes=CLASSES,
        num_train=1200,
        num_validation=3,
        num_test=6,
        excluded=["cat/<i>bad.jpg"],
        validation={"accuracy": None},
        test={"accuracy": 0.5},
        wall_s=3.25,
        phases=[{"name": "probe"}, {"name": "finetune", "gate": GATE}],
        best_epoch=None,
        resumed_from=None,
        weights_sha256="ab" * 32,
        parameters=2174,
        loss="softmax_cross_entropy",
        seed=0,
        device="cpu",
        precision="float32",
    )
    write_json(path / "run.json", facts.to_json())
    write_json(path / "environment.json", {"bakeoff": "0.1.0", framework: "2.0<b>"})
    write_json(path / "manifest.json", {"data": HOSTILE, "classes": CLASSES, "fingerprint": "cd" * 32})
    (path / "recipe.toml").write_text('title = "A <b>recipe</b>"\nseed = 0\n', encoding="utf-8")
    steps = [{"phase": "finetune", "step": i, "epoch": i // 50, "loss": 2.0 / (i + 1) + shift} for i in range(100)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in steps))
    epochs = [{"epoch": i, "validation_accuracy": 0.5 + 0.2 * i, "validation_loss": 1.0} for i in range(2)]
    (path / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in epochs))
    labels = np.array([0, 1, 2, 0, 1, 2])
    logits = np.full((6, 3), -1.0, np.float32)
    logits[np.arange(6), [0, 1, 2, 1, 2, 1]] = 2.0 + shift
    paths = sorted(str(file.relative_to(data)) for file in data.rglob("*.png")) if data.exists() else ["x"] * 6
    arrays = {"logits": logits, "labels": labels, "records": np.arange(6), "paths": np.array(paths)}
    np.savez(path / "predictions" / "test.npz", **arrays)
    return path


def with_several_labels(run: Path) -> Path:
    """The same run as of images with several labels, or none."""
    facts = json.loads((run / "run.json").read_text())
    write_json(run / "run.json", {**facts, "threshold": 0.6})
    rows = [{"epoch": i, "validation_accuracy": 0.2, "validation_mean_average_precision": 0.5} for i in range(2)]
    (run / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with np.load(run / "predictions" / "test.npz") as kept:
        arrays = dict(kept)
    arrays["labels"] = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 1]], np.uint8)
    np.savez(run / "predictions" / "test.npz", **arrays)
    return run


def make_comparison(path: Path, data: Path, *, passed: bool = True) -> Path:
    rows = {}
    for number, name in enumerate(("torch", "tensorflow")):
        make_run(path / name, data, name, shift=0.01 * number)
        rows[name] = {
            "accuracy": 0.5,
            "accuracy_interval": [0.2, 0.8],
            "step_ms": 1.5,
            "images_per_s": 40000.0,
            "peak_memory_bytes": 300 << 20,
            "train_wall_s": 4.0,
            "compile_s": None,
            "run": str(path / name),
        }
    detail = "largest at <b>conv1</b>"
    check = {"name": "logits.tensorflow", "difference": 2e-7, "tolerance": 1e-5, "passed": passed, "detail": detail}
    parity = {
        "passed": passed,
        "checks": [check, {**check, "name": "float64.logits.jax", "difference": None, "passed": False}],
    }
    track = {"torch-eager": _timed(1.5), "jax": _timed(3.0)}
    accuracy = {name: {"mean": 0.5, "interval": [0.2, 0.8], "seeds": 1, "spread": 0.0} for name in rows}
    pair = {"a": "torch", "b": "tensorflow", "same_net": False, "difference": 0.01, "interval": [-0.02, 0.04]}
    pair |= {"supported": 0.035, "visible": 0.06, "equivalent": None}
    ratio = {"a": "torch-eager", "b": "jax", "what": "same_loader.step_ms", "ratio": 2.0, "interval": [1.9, 2.1]}
    more: dict[str, Any] = {
        "tracks": {"same_loader": track, "native_best": {**track, "jax": _timed(4.25)}},
        "ratios": [
            {**ratio, "noise": 0.01, "smallest": 0.03, "faster": "torch-eager"},
            {**ratio, "what": "native_best.step_ms", "interval": [0.98, 1.04], "smallest": 0.0512, "faster": None},
        ],
        "accuracy": {**accuracy, "margin": 0.02, "equivalent": None, "pairs": [pair]},
        "accuracy_split": "test",
        "disturbed": 3,
        "needs": [{"need": "fastest <training>", "choice": None, "why": "too small to decide", "interval": None}],
        "needs_zh": [{"need": "训练最快", "why": "网络太小，无法判断"}],
        "left_out": [{"what": "predictions", "seconds": 90.0, "why": "no <time>"}],
    }
    verdict = {**more, "verdict": "The same & faster.", "recipe": "mnist-cnn", "data": str(data), "classes": CLASSES}
    write_json(path / "compare.json", {"parity": parity, "frameworks": rows, "num_test": 6, **verdict})
    return path


def _timed(step_ms: float) -> dict[str, Any]:
    row = {"step_ms": step_ms, "step_ms_interval": [0.9 * step_ms, 1.1 * step_ms], "images_per_s": 64000 / step_ms}
    return {**row, "input_ms": 0.7, "compile_s": 1.2, "start_s": 2.3, "peak_memory_bytes": 300 << 20}


class Page(HTMLParser):
    """Tags, ids and the values of every attribute that could load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "img", "br", "line", "circle", "rect", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(path: Path) -> tuple[Page, str]:
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert page.open == []
    return page, html


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_report_is_complete_in_itself_and_escaped(tmp_path: Path, data: Path, kind: str, lang: str) -> None:
    make = make_run if kind == "run" else make_comparison
    page, html = page_of(report(make(tmp_path / "run", data), lang=lang))
    assert all(value.startswith(("#", "data:image/")) for value in page.loads), page.loads
    assert not re.search(r"https?:|@import|url\(", html)
    assert not page.tags & {"script", "link", "iframe", "object", "b"}
    assert not any(name.startswith("on") for name in page.names)
    assert HOSTILE in page.text
    assert "{{ dog }}" in page.text
    assert "A <b>recipe</b>" in page.text
    assert str(tmp_path) not in html, "absolute paths don't belong into a report"
    assert {value.removeprefix("#") for value in page.loads if value.startswith("#")} == set(page.ids)
    missing = {"backbones", "labels", "heat"} | ({"parity", "speed", "equality", "needs"} if kind == "run" else set())
    assert {name for name in page.ids if not name.startswith("pair-")} == {*registry.names(SECTIONS)} - missing


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_several_labels_have_their_own_section(tmp_path: Path, data: Path, kind: str, lang: str) -> None:
    if kind == "run":
        path = with_several_labels(make_run(tmp_path / "run", data))
    else:
        path = make_comparison(tmp_path / "run", data)
        for name in ("torch", "tensorflow"):
            with_several_labels(path / name)
    page, html = page_of(report(path, lang=lang))
    assert "labels" in page.ids
    assert not {"classes", "confusion"} & set(page.ids)
    assert "mAP" in page.text
    assert "0.6" in page.text, "the threshold"
    if kind == "run":  # of six images two have exactly their labels
        assert "33.3" in page.text
    names = {"en": "is cat, ", "zh": "实际是 cat, "}
    assert names[lang] in page.text, "all labels of a wrong image"
    assert "(none)" in html


def test_languages_have_the_same_keys_and_different_headings() -> None:
    for module in ordered():
        english, chinese = module.TEXT["en"], module.TEXT["zh"]
        assert set(english) <= set(chinese), module.__name__
        for key, sentence in english.items():
            assert sorted(re.findall(r"{\w+}", sentence)) == sorted(re.findall(r"{\w+}", chinese[key])), (module, key)
        assert re.search("[\u4e00-\u9fff]", chinese["title"])
    assert [module.ORDER for module in ordered()] == sorted({module.ORDER for module in ordered()})


def test_chinese_report_says_its_headings_in_chinese(tmp_path: Path, data: Path) -> None:
    page, html = page_of(report(make_comparison(tmp_path / "c", data), lang="zh"))
    assert 'lang="zh-CN"' in html
    assert all(word in page.text for word in ("结论", "训练过程", "一致性", "混淆矩阵", "运行环境"))
    assert "The same & faster." not in page.text


@pytest.mark.parametrize(
    ("recipe", "english", "chinese"),
    [
        ('title = "Small net"\ntitle_zh = "小网络"\n', "Small net", "小网络"),
        ('title = "Small net"\n', "Small net", "Small net"),
        ("title = 'It''s cut", "", ""),
    ],
    ids=["both", "English alone", "damaged"],
)
def test_the_title_of_a_recipe_is_in_the_language_of_the_report(
    tmp_path: Path, data: Path, recipe: str, english: str, chinese: str
) -> None:
    run = make_run(tmp_path / "run", data)
    (run / "recipe.toml").write_text(recipe, encoding="utf-8")
    for language, title in (("en", english), ("zh", chinese)):
        _, html = page_of(report(run, lang=language))
        head = html.partition("<h2")[0]
        assert (title in head) if title else ("Small" not in head)


def test_comparison_shows_verdict_parity_and_both_curves(tmp_path: Path, data: Path) -> None:
    page, html = page_of(report(make_comparison(tmp_path / "c", data, passed=False)))
    assert "The same & faster." in page.text
    assert "2 of 2 checks failed" in page.text
    assert "largest at <b>conv1</b>" in page.text
    assert "2.0e-07" in page.text
    assert "1.0e-05" in page.text
    assert html.count('class="line s0" points') == 3  # losses, accuracies, calibration
    assert html.count('class="line s1" points') == 3


def numbers_of(value: Any) -> set[float]:
    """Every number of a result, and of one between 0 and 1 the share of hundred; turned round where it is a ratio."""
    if isinstance(value, dict):
        return set().union(*(numbers_of(each) for each in value.values()), {float(len(value))})
    if isinstance(value, list):
        return set().union(*(numbers_of(each) for each in value), {float(len(value))})
    if isinstance(value, bool) or not isinstance(value, int | float):
        return set()
    return {float(value), 100 * value, value / 1e6, 1 / value if value else 0.0}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_number_of_a_comparison_comes_from_its_result(tmp_path: Path, data: Path, lang: str) -> None:
    """What its sections of text and tables say is in compare.json, in some rounding; a made-up one is found."""
    made = make_comparison(tmp_path / "c", data)
    known = numbers_of(json.loads((made / "compare.json").read_text()))
    html = report(made, lang=lang).read_text(encoding="utf-8")

    def strange(text: str) -> list[str]:
        said = re.findall(r"(?<![\w.#-])[+-]?\d[\d,]*(?:\.\d+)?", text)
        return [one for one in said if not _told(one, known)]

    for name in ("speed", "equality"):
        (section,) = re.findall(rf'<section id="{name}">(.*?)</section>', html, re.DOTALL)
        text = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", section, flags=re.DOTALL)
        text = re.sub(r"(95|99).%|fewer than 5|少于 5", "", text)  # what intervals and rules are called
        assert strange(text) == [], name
        assert strange(text + " 77.7 ms") == ["77.7"]


def _told(said: str, known: set[float]) -> bool:
    digits = len(said.partition(".")[2])
    value = abs(float(said.replace(",", "")))
    return any(abs(abs(one) - value) <= 0.5001 * 10.0**-digits for one in known)


def test_most_wrong_images_are_inside_and_small(tmp_path: Path, data: Path) -> None:
    target = report(make_run(tmp_path / "r", data))
    page, _ = page_of(target)
    images = [value for value in page.loads if value.startswith("data:image/")]
    assert len(images) == 2 * 3  # once among the confused, once among the most wrong
    assert "torch judged" not in page.text
    assert "PyTorch judged 3 of 6 images wrongly." in page.text
    assert target.stat().st_size < 60_000


def test_report_without_the_data_names_the_images(tmp_path: Path) -> None:
    page, _ = page_of(report(make_run(tmp_path / "r", tmp_path / "gone")))
    assert "no longer where they were read from" in page.text
    assert not any(value.startswith("data:") for value in page.loads)


def test_probe_without_steps_or_predictions_has_no_empty_plots(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "r", data)
    for name in ("metrics.jsonl", "epochs.jsonl", "predictions/test.npz"):
        (run / name).unlink()
    facts = {key: value for key, value in json.loads((run / "run.json").read_text()).items() if key != "schema"}
    write_json(run / "run.json", {**facts, "phases": [{"name": "probe"}]})
    page, _ = page_of(report(run, tmp_path / "elsewhere" / "r.html"))
    assert page.ids == ["verdict", "environment"]


def test_many_classes_are_drawn_without_numbers(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "r", data)
    facts = json.loads((run / "run.json").read_text())
    facts["classes"] = [f"class {number}" for number in range(60)]
    (run / "run.json").write_text(json.dumps(facts))
    logits = np.eye(60)
    arrays = {"logits": logits, "labels": np.roll(np.arange(60), 1), "records": np.arange(60)}
    np.savez(run / "predictions" / "test.npz", **arrays)
    page, html = page_of(report(run))
    assert 'class="heat"' in html
    assert "20 more classes" in page.text


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda run: (run / "metrics.jsonl").write_text('{"loss": 1'), CorruptError),
        (lambda run: (run / "predictions/test.npz").write_bytes(b"PK\3\4 no"), CorruptError),
        (lambda run: write_json(run / "run.json", {"framework": "torch"}), CorruptError),
        (lambda run: (run / "run.json").write_text('{"schema": 99}'), VersionError),
        (lambda run: (run / "run.json").unlink(), DataError),
        (lambda run: write_json(run / "compare.json", {"frameworks": {"../r/torch": {}}}), CorruptError),
        (lambda run: write_json(run / "compare.json", {"frameworks": {"..": {}}}), CorruptError),
        (lambda run: write_json(run / "compare.json", {"frameworks": {"torch": {}}}), DataError),
    ],
)
def test_broken_runs_are_refused_in_few_lines(tmp_path: Path, data: Path, harm: Any, error: type[BakeoffError]) -> None:
    run = make_run(tmp_path / "r", data)
    harm(run)
    with pytest.raises(error) as caught:
        report(run)
    assert len(str(caught.value).splitlines()) <= 3
    assert str(run) in str(caught.value)
    assert not (run / "report.html").exists()


def test_language_and_place_are_checked(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "r", data)
    with pytest.raises(UsageError, match="en, zh"):
        report(run, lang="fr")
    with pytest.raises(DataError, match="no such folder"):
        report(tmp_path / "nothing")
    with pytest.raises(UsageError, match="can't be written"):
        report(run, run / "run.json" / "report.html")


def test_ticks_are_round_and_cover() -> None:
    assert ticks(0.12, 0.97) == [0, 0.25, 0.5, 0.75, 1.0]
    for low, high in ((0.0, 1.0), (3.2, 3.9), (-5, 1e6), (2.0, 2.0), (1e-9, 3e-9)):
        found = ticks(low, high)
        assert found[0] <= low
        assert found[-1] >= high
        assert 2 <= len(found) <= 8


def test_smoothing_keeps_a_constant_and_thinning_the_ends() -> None:
    assert smoothed([2.0] * 9, 5) == pytest.approx([2.0] * 9)
    points = [(float(x), 0.0) for x in range(1001)]
    assert thinned(points)[0] == points[0]
    assert thinned(points)[-1] == points[-1]
    assert len(thinned(points)) <= 302


def test_plots_escape_names_and_skip_what_is_not_finite() -> None:
    series = [Series("a", ((0, 1.0), (1, float("nan")), (2, 3.0)))]
    drawn = str(lines(series, title=HOSTILE, x_label="<x>", y_format=str))
    assert "<script" not in drawn
    assert "<x>" not in drawn
    assert "nan" not in drawn
    assert str(heatmap([[1.0, 0.0], [0.5, 0.5]], title="m")).count('class="wrong"') == 1


def test_axes_have_whole_epochs_and_no_accuracy_above_one() -> None:
    perfect = (Series("torch", ((1.0, 1.0), (2.0, 1.0))),)
    svg = str(lines(perfect, title="t", x_label="epoch", y_format=lambda y: f"{100 * y:.3g} %", most=1.0))
    shown = re.findall(r">([^<>]+)</text>", svg)
    assert {"100 %", "1", "2"} <= set(shown)
    assert not {"105 %", "110 %", "1.2", "1.5"} & set(shown)


def test_numbers_are_short() -> None:
    assert [percent(0.12345), percent(None), short(1.23456e-7), short(12.345), short(0), size(3 << 30)] == [
        "12.3\N{NO-BREAK SPACE}%",
        "–",
        "1.2e-07",
        "12.3",
        "0",
        "3.22 GB",
    ]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_phase_that_had_to_prove_itself_is_judged(tmp_path: Path, data: Path, lang: str, kept: bool) -> None:
    run = make_run(tmp_path / "run", data)
    facts = {key: value for key, value in json.loads((run / "run.json").read_text()).items() if key != "schema"}
    write_json(run / "run.json", {**facts, "phases": [{"name": "finetune"}]})
    assert 'id="gate"' not in report(run, lang=lang).read_text(encoding="utf-8")
    write_json(run / "run.json", {**facts, "phases": [{"name": "finetune", "gate": {**GATE, "kept": kept}}]})
    html = report(run, lang=lang).read_text(encoding="utf-8")
    word = {"en": ("Kept:", "Rejected:"), "zh": ("保留：", "放弃：")}[lang][not kept]
    told = {"kept": False, "num": 12, "before": 11 / 12, "wrong": 1, "least": 2}
    for number, row in enumerate(({"kept": False, "num": 0}, told, {**told, "wrong": 0, "before": 1.0})):
        write_json(run / "run.json", {**facts, "phases": [{"name": "finetune", "gate": row}]})
        page = report(run, tmp_path / f"{number}.html", lang=lang).read_text("utf-8")
        assert {"en": "Left out:", "zh": "未进行："}[lang] in page
        assert ("16.7" in page) == (row is told)
    for part in (word, "85.9", "89.1", "+3.2", "+0.5 – +5.9", "341"):
        assert part in html


def test_the_title_is_the_runs_and_parity_is_one_line(tmp_path: Path, data: Path) -> None:
    made = make_comparison(tmp_path / "a <run>", data)
    page = report(made).read_text(encoding="utf-8")
    assert "<h1>a &lt;run&gt;</h1>" in page
    assert "<title>a &lt;run&gt; · Bakeoff report</title>" in page
    assert "<details open><summary>1 of 2 checks failed</summary>" in page
    found = json.loads((made / "compare.json").read_text())
    del found["parity"]["checks"][1]
    (made / "compare.json").write_text(json.dumps(found))
    page = report(made).read_text(encoding="utf-8")
    assert (
        "<details><summary>All 1 checks passed; nearest to its tolerance is logits, TensorFlow, with 2\u00a0%" in page
    )


@pytest.mark.parametrize(
    ("interval", "says"),
    [([-0.05, -0.01], "Rejected: it is worse"), ([-0.05, 0.01], "Rejected: the validation images don&#39;t show")],
)
def test_what_is_worse_is_called_worse(tmp_path: Path, data: Path, interval: list[float], says: str) -> None:
    run = make_run(tmp_path / "run", data)
    facts = json.loads((run / "run.json").read_text())
    facts["phases"][1]["gate"] |= {"interval": interval, "kept": False, "difference": -0.0004}
    (run / "run.json").write_text(json.dumps(facts))
    page = report(run).read_text(encoding="utf-8")
    assert says in page
    assert "−5.0 – " in page
    assert 'data-label="difference, points">0.0<' in page


def test_curves_begin_anew_with_each_phase_and_know_the_level_before(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data)
    page = report(run).read_text(encoding="utf-8")
    assert page.count("<polyline") == 4  # loss, accuracy, reliability, the honest line
    assert 'class="level"' in page
    assert "the level of the net before the phase, 85.9\u00a0%" in page
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for first, curves in (("before", 5), ("probe", 4)):  # the steps of a solver are no curve
        rows = [{**row, "phase": first if row["step"] < 40 else "finetune"} for row in rows]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        page = report(run).read_text(encoding="utf-8")
        assert page.count("<polyline") == curves
        assert ("Each phase begins a line of its own." in page) == (curves == 5)


def test_counts_stand_behind_calibration(tmp_path: Path, data: Path) -> None:
    page = report(make_run(tmp_path / "run", data)).read_text(encoding="utf-8")
    found = re.search(r"Images in each group, from the least sure: ([\d, ]+)\.", page)
    assert found
    assert sum(map(int, found[1].split(","))) == 6
    assert "100.0\u00a0% (6)" in page


def test_where_nothing_is_wrong_the_least_sure_come_first(tmp_path: Path, data: Path) -> None:
    run = make_run(tmp_path / "run", data)
    with np.load(run / "predictions" / "test.npz") as kept:
        arrays = dict(kept)
    arrays["logits"] = np.eye(3, dtype=np.float32)[arrays["labels"]] * np.arange(6, 0, -1, dtype=np.float32)[:, None]
    np.savez(run / "predictions" / "test.npz", **arrays)
    page = report(run).read_text(encoding="utf-8")
    assert "These are the ones that it was least sure of." in page
    shown = [str(path) for path in arrays["paths"][::-1]]
    from markupsafe import escape

    places = [page.index(f'<div class="file">{escape(path)}') for path in shown]
    assert places == sorted(places)
