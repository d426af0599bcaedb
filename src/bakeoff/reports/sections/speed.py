"""speed: contestants and predictions beside each other: where a step's time goes, and which differences are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.drawing.bars import stacked
from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say, percent, short, size

ORDER = 14

TEXT = {
    "en": {
        "title": "Speed",
        "same_loader": "A training step, images in memory",
        "native_best": "A training step with each one's own input pipeline",
        "predictions": "Prediction, one image at a time",
        "who": "contestant",
        "form": "form",
        "step": "ms a step (99 % interval)",
        "speed": "images/s",
        "input": "input alone, ms",
        "compile": "compiling",
        "start": "start-up",
        "memory": "peak memory",
        "ms": "ms an image (99 % interval)",
        "bytes": "size",
        "agreement": "same label as its source",
        "told": "{a} against {b}: {ratio} x the time ({low} to {high}); {faster} is faster.",
        "none": "{a} against {b}: no difference larger than {smallest} is seen ({low} to {high} x).",
        "taken": "the step",
        "waited": "waiting for images",
        "note": "All took turns, forth and back (A B B A); an interval is a bootstrap over rounds. A difference is "
        "told only where it is larger than what a contestant shows beside itself in the same rounds.",
        "disturbed": "In {count} rounds other programs were at work, also after they were measured again: these times "
        "are of a busy machine.",
        "left": "Left out: {what}{why}",
    },
    "zh": {
        "title": "速度",
        "same_loader": "训练步（图片已在内存中）",
        "native_best": "训练步（各自的输入管道）",
        "predictions": "预测，每次一张图片",
        "who": "参赛者",
        "form": "形式",
        "step": "每步毫秒（99 % 置信区间）",
        "speed": "图片/秒",
        "input": "仅输入，毫秒",
        "compile": "编译",
        "start": "启动",
        "memory": "内存峰值",
        "ms": "每张图片毫秒（99 % 置信区间）",
        "bytes": "大小",
        "agreement": "与来源标签一致",
        "told": "{a} 与 {b}：用时之比 {ratio}（{low} 到 {high}）；{faster} 更快。",
        "none": "{a} 与 {b}：看不出大于 {smallest} 的差别（用时之比 {low} 到 {high}）。",
        "taken": "训练步",
        "waited": "等待图片",
        "note": "所有参赛者来回轮流计时（A B B A），区间由各轮自助法（bootstrap）得出。"
        "只有大于同一参赛者在同样各轮中自身波动的差别才算数。",
        "disturbed": "有 {count} 轮在重测之后仍有其他程序在运行：这些时间来自繁忙的机器。",
        "left": "未进行：{what}{why}",
    },
}

TEMPLATE = """
{% for part in parts %}
<h3>{{ part.title }}</h3>
<div class="columns">
<div class="whole scroll"><table class="stack">
<thead><tr><th>{{ part.first }}</th>
{% for label in part.columns %}<th class="number">{{ label }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, cells in part.rows %}
<tr><th scope="row">{{ name }}</th>
{% for label, cell in cells %}<td class="number" data-label="{{ label }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<figure class="card">{% if part.legend %}{{ legend(part.legend, bars=True) }}{% endif %}{{ part.svg }}</figure>
<ul>{% for line in part.ratios %}<li>{{ line }}</li>{% endfor %}</ul>
</div>
{% endfor %}
<p class="note">{{ t('note') }}{% for line in notes %}<br>{{ line }}{% endfor %}</p>
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A part a track, and one for predictions; None where nothing was timed in rounds."""
    found = report.comparison or {}
    parts = [_track(name, rows, found, say) for name, rows in (found.get("tracks") or {}).items()]
    if found.get("predictions"):
        parts.append(_predictions(found["predictions"], found, say))
    if not parts:
        return None
    notes = [say("disturbed", count=found["disturbed"])] if found.get("disturbed") else []
    for one in found.get("left_out") or []:
        notes.append(say("left", what=one["what"], why=f" ({one['why']})" if one.get("why") else ""))
    return {"parts": parts, "notes": notes}


def _track(name: str, rows: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any], say: Say) -> dict[str, Any]:
    table = []
    for who, row in rows.items():
        cells = [
            (say("step"), _interval(row["step_ms"], row["step_ms_interval"])),
            (say("speed"), f"{row['images_per_s']:,.0f}"),
            (say("input"), short(row["input_ms"])),
            (say("compile"), f"{row['compile_s']:.1f} s"),
            (say("start"), f"{row['start_s']:.1f} s"),
            (say("memory"), size(row["peak_memory_bytes"])),
        ]
        table.append((who, cells))
    same = found["tracks"].get("same_loader") or {}
    apart = name != "same_loader" and set(rows) <= set(same)
    bars = [
        (who, _parts(row["step_ms"], same[who]["step_ms"]) if apart else (row["step_ms"],)) for who, row in rows.items()
    ]
    part = _part(say(name), say("who"), table, bars, _ratios(found, f"{name}.step_ms", say))
    return {**part, "legend": [say("taken"), say("waited")] if apart else []}


def _parts(whole: float, step: float) -> tuple[float, float]:
    """A step with its input: the step alone, as with images in memory, and what is beyond it."""
    return min(step, whole), max(whole - step, 0.0)


def _predictions(rows: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any], say: Say) -> dict[str, Any]:
    order = sorted(rows, key=lambda name: rows[name]["ms"])
    table = []
    for name in order:
        row = rows[name]
        cells = [
            (say("ms"), _interval(row["ms"], row["ms_interval"])),
            (say("bytes"), size(row["bytes"])),
            (say("memory"), size(row["peak_memory_bytes"])),
            (say("agreement"), percent(row["agreement"])),
        ]
        table.append((name, cells))
    bars = [(name, (rows[name]["ms"],)) for name in order]
    first = [row for row in _rows(found, "predictions.ms") if order[0] in (row["a"], row["b"])]
    return _part(say("predictions"), say("form"), table, bars, [_ratio(row, say) for row in first])


def _part(title: str, first: str, table: Any, bars: Any, ratios: list[str]) -> dict[str, Any]:
    svg = stacked(bars, title=title, shown=lambda ms: f"{short(ms)} ms")
    columns = [label for label, _ in table[0][1]]
    return {
        "title": title,
        "first": first,
        "columns": columns,
        "rows": table,
        "svg": svg,
        "ratios": ratios,
        "legend": [],
    }


def _interval(value: float, low_high: tuple[float, float]) -> str:
    low, high = low_high
    return f"{short(value)} ({short(low)} – {short(high)})"


def _rows(found: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    return [row for row in found.get("ratios") or [] if row["what"] == what]


def _ratios(found: Mapping[str, Any], what: str, say: Say) -> list[str]:
    return [_ratio(row, say) for row in _rows(found, what)]


def _ratio(row: Mapping[str, Any], say: Say) -> str:
    low, high = (f"{side:.2f}" for side in row["interval"])
    given = {"a": row["a"], "b": row["b"], "low": low, "high": high}
    if row["faster"] is None:
        return say("none", smallest=percent(row["smallest"]), **given)
    # b's time over a's, as the sentence has a first: turned round
    low, high = (f"{1 / side:.2f}" for side in reversed(row["interval"]))
    return say("told", ratio=f"{1 / row['ratio']:.2f}", faster=row["faster"], **{**given, "low": low, "high": high})
