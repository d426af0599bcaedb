"""The page of a published comparison: what it says, what is unfair in it, and what each of that does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bakeoff.reports.page import page, section
from bakeoff.texts import catalogue

TEXT = {
    "en": {
        "report": "Bakeoff: a published comparison",
        "published": "As published",
        "gap": "{fair} against {other} of {num} test images right: {points} points ({low} to {high}).",
        "left": "With every choice fair: {points} points ({low} to {high}){none}",
        "none": ", none that these images show.",
        "some": ".",
        "choices": "Choice by choice",
        "choice": "what is unfair",
        "effect": "made fair, accuracy changes by (points)",
        "interval": "95 % interval",
        "seeds": "seeds from – to",
        "time": "time of a step an image",
        "same": "no difference seen",
        "note": "Each row changes one choice of the side that differs, and nothing else; effects need not add up. "
        "Accuracy is of the last epoch on the same {num} test images, {seeds} training(s) a row: an interval over "
        "images says nothing of other seeds. A time is the ratio of the changed net to the published one, all nets in "
        "turns (99 % interval); it is called a difference where it is larger than the machine's own.",
        "all": "all of them",
        "notes": "What can't be switched",
        "repeat": "How to repeat it",
    },
    "zh": {
        "report": "Bakeoff：公开发表的比较",
        "published": "按原文",
        "gap": "{num} 张测试图片答对 {fair} 与 {other}：相差 {points} 个百分点（{low} 到 {high}）。",
        "left": "所有选择都公平之后：{points} 个百分点（{low} 到 {high}）{none}",
        "none": "，这些图片看不出差别。",
        "some": "。",
        "choices": "逐项分析",
        "choice": "不公平之处",
        "effect": "改为公平后准确率的变化（百分点）",
        "interval": "95 % 置信区间",
        "seeds": "各随机种子",
        "time": "每张图片的训练步用时",
        "same": "未见差别",
        "note": "每行只改变不同一边的一个选择；各项效果相加不一定等于总差距。"
        "准确率取最后一轮，在同样的 {num} 张测试图片上计算，每行训练 {seeds} 次：图片上的置信区间不反映其他随机种子。"
        "用时是改变后与原文之比，所有网络轮流计时"
        "（99 % 置信区间）；大于机器自身波动时才称为差别。",
        "all": "全部改为公平",
        "notes": "无法切换的部分",
        "repeat": "如何重复",
    },
}

PUBLISHED = """
<p>{{ intro }}</p>
<p class="verdict">{{ gap }}<br>{{ left }}</p>
"""
CHOICES = """
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('choice') }}</th>
{% for label in columns %}<th class="number">{{ label }}</th>{% endfor %}</tr></thead>
<tbody>
{% for text, cells in rows %}
<tr><th scope="row">{{ text }}</th>
{% for label, cell in cells %}<td class="number" data-label="{{ label }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<p class="note">{{ note }}</p>
"""
NOTES = """
<ul>{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>
"""


class _Effect(msgspec.Struct):
    effect: float
    effect_interval: tuple[float, float]
    effect_seeds: tuple[float, float]
    time_ratio: float | None = None
    time_interval: tuple[float, float] | None = None
    told: bool = False
    key: str = "all"


class _Side(msgspec.Struct):
    accuracy: float


class _Published(msgspec.Struct):
    fair: _Side
    other: _Side
    gap: _Effect


class _Texts(msgspec.Struct):
    title: str
    intro: str
    choices: dict[str, str]
    notes: list[str]


class _Ledger(msgspec.Struct):
    """What the page shows of ledger.json."""

    data: str
    num: int
    seeds: int
    article: str
    published: _Published
    rows: list[_Effect]
    made_fair: _Effect
    remaining: _Effect
    texts: dict[str, _Texts]


def render(found: Mapping[str, Any], lang: str) -> str:
    """The page as HTML.

    Raises:
        msgspec.ValidationError: ledger.json isn't one.
    """
    from bakeoff.version import __version__

    told, say = msgspec.convert(found, _Ledger), catalogue.Say(lang, TEXT)
    texts, num = told.texts[lang], f"{told.num:,}"
    sides = {"fair": told.published.fair.accuracy, "other": told.published.other.accuracy}
    rows = [(texts.choices[row.key], _cells(row, say, told.seeds)) for row in told.rows]
    if len(told.rows) > 1:
        rows.append((say("all"), _cells(told.made_fair, say, told.seeds)))
    none = told.remaining.effect_interval[0] <= 0 <= told.remaining.effect_interval[1]
    parts: list[tuple[str, str, dict[str, Any]]] = [
        (
            "published",
            PUBLISHED,
            {
                "intro": texts.intro,
                "gap": say(
                    "gap",
                    num=num,
                    **{key: f"{100 * each:.2f} %" for key, each in sides.items()},
                    **_points(told.published.gap),
                ),
                "left": say("left", none=say("none" if none else "some"), **_points(told.remaining)),
            },
        ),
        (
            "choices",
            CHOICES,
            {
                "columns": [label for label, _ in rows[0][1]],
                "rows": rows,
                "note": say("note", num=num, seeds=told.seeds),
            },
        ),
        ("notes", NOTES, {"lines": texts.notes}),
    ]
    sections = [section(name, say(name), text, say, **values) for name, text, values in parts]
    return page(say, sections, title=texts.title, data=f"{told.article} · {told.data}", version=__version__)


def _cells(row: _Effect, say: catalogue.Say, seeds: int) -> list[tuple[str, str]]:
    shown = _points(row)
    cells = [(say("effect"), shown["points"]), (say("interval"), f"{shown['low']} – {shown['high']}")]
    if seeds > 1:
        cells.append((say("seeds"), " – ".join(f"{100 * each:+z.2f}" for each in row.effect_seeds)))
    if row.time_interval is not None:
        low, high = row.time_interval
        times = f"{row.time_ratio:.2f} x ({low:.2f} – {high:.2f})"
        cells.append((say("time"), times if row.told else f"{times}, {say('same')}"))
    return cells


def _points(row: _Effect) -> dict[str, str]:
    low, high = row.effect_interval
    return {"points": f"{100 * row.effect:+z.2f}", "low": f"{100 * low:+z.2f}", "high": f"{100 * high:+z.2f}"}
