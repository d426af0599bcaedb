"""The five articles' comparisons, taken apart; writes docs/explanation/articles.md, in English and in Chinese.

python bench/published.py FOLDER DATA
    FOLDER   keeps the ledgers: what is finished there isn't done again
    DATA     has mnist.npz, cifar10.npz and the folder clothing-small
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.comparison import articles

PAGES = Path(__file__).parents[1] / "docs" / "explanation"
DATA = {  # article: data, settings of all its trainings
    "000": ("clothing-small", ("phases.0.epochs=2",)),
    "001": ("cifar10.npz", ("phases.0.epochs=3",)),
    "002": ("mnist.npz", ("phases.0.epochs=3",)),
    "003": ("mnist.npz", ("phases.0.epochs=3",)),
    "004": ("clothing-small", ()),
}
WORDS = {
    "en": {
        "title": "The articles' comparisons, made fair",
        "lead": "Five articles compare TensorFlow and PyTorch. `bakeoff compare DATA --as-published NUMBER` trains "
        "both sides of one as they stand, then with each unfair choice made fair, one at a time. "
        "Made by `bench/published.py`.",
        "gap": "As published, on {data}: {fair} % against {other} % of {num} test images; made fair, {left} points "
        "({low} to {high}) are left.",
        "head": "| made fair | accuracy, points (95 % interval) | time of a step an image |",
        "more": "Not switched: ",
        "untold": "not told from none",
        "none": "not measured here",
        "settings": "Settings of all: ",
    },
    "zh": {
        "title": "把文章中的比较变公平",
        "lead": "五篇文章比较了 TensorFlow 和 PyTorch。`bakeoff compare DATA --as-published 编号` 先按原文训练两边，"
        "再把每个不公平的选择逐一改为公平。本页由 `bench/published.py` 生成。",
        "gap": "按原文，在 {data} 上：{num} 张测试图片答对 {fair} % 与 {other} %；"
        "改为公平之后相差 {left} 个百分点（{low} 到 {high}）。",
        "head": "| 改为公平 | 准确率变化，百分点（95 % 置信区间） | 每张图片的训练步用时 |",
        "more": "没有对应开关：",
        "untold": "与无差别无法区分",
        "none": "此处未测量",
        "settings": "统一的设置：",
    },
}


def main(folder: Path, data: Path) -> None:
    """Make what isn't made yet, and write both pages."""
    found = {}
    for number, (name, settings) in DATA.items():
        run = folder / number
        if not (run / "ledger.json").is_file() and (data / name).exists():
            more = [word for one in settings for word in ("--set", one)]
            command = ["bakeoff", "compare", str(data / name), "--as-published", number, "--run", str(run), *more]
            subprocess.run([sys.executable, "-m", *command], check=True)
        if (run / "ledger.json").is_file():
            found[number] = json.loads((run / "ledger.json").read_text(encoding="utf-8"))
    for lang, name in (("en", "articles.md"), ("zh", "articles.zh-CN.md")):
        (PAGES / name).write_text("\n".join(page(found, lang)) + "\n", encoding="utf-8")


def page(found: dict[str, dict[str, Any]], lang: str) -> Iterator[str]:
    """The lines of a page: an article a section, measured or not."""
    words = WORDS[lang]
    yield f"# {words['title']}\n"
    yield f"{words['lead']}\n"
    for number in articles.names():
        told = articles.load(number)
        yield f"## {number}: {told.TITLE[lang]}\n"
        yield f"{told.INTRO[lang]}\n"
        if number in found:
            yield from _measured(found[number], told, lang)
        else:
            yield f"*{words['none']}*\n"
        yield words["more"] + " ".join(told.NOTES[lang]) + "\n"


def _measured(found: dict[str, Any], told: Any, lang: str) -> Iterator[str]:
    words, left = WORDS[lang], found["remaining"]
    sides = {side: f"{100 * found['published'][side]['accuracy']:.2f}" for side in ("fair", "other")}
    low, high = (f"{100 * side:+.2f}" for side in left["effect_interval"])
    more = {"left": f"{100 * left['effect']:+.2f}", "low": low, "high": high, "data": found["data"]}
    yield words["gap"].format(num=f"{found['num']:,}", **sides, **more) + "\n"
    yield words["head"]
    yield "| --- | ---: | ---: |"
    texts = {switch.key: switch.text[lang] for switch in told.SWITCHES}
    for row in found["rows"]:
        low, high = (f"{100 * side:+.2f}" for side in row["effect_interval"])
        time = f"{row['time_ratio']:.2f} x" if "time_ratio" in row else "-"
        time += "" if row.get("told", True) else f", {words['untold']}"
        yield f"| {texts[row['key']]} | {100 * row['effect']:+.2f} ({low} to {high}) | {time} |"
    settings = DATA[found["article"]][1]
    yield "" if not settings else f"\n{words['settings']}`{'`, `'.join(settings)}`\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
