"""equality: whether the frameworks' nets are as accurate as each other, and how small a difference could be seen."""

from __future__ import annotations

from typing import Any

from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say, framework, percent

ORDER = 16

TEXT = {
    "en": {
        "title": "Equally accurate?",
        "true": "Yes: no pair differs by more than {margin} points.",
        "false": "No: a pair differs by more than {margin} points.",
        "none": "These images can't tell whether the nets are within {margin} points of each other.",
        "pair": "{a} against {b}: {difference} points ({low} to {high}); within {supported} points of each other, as "
        "far as these images can tell; a difference of {visible} points would have been seen.",
        "same_net": "{a} and {b} hold the very same net: there is nothing to compare.",
        "framework": "framework",
        "mean": "accuracy",
        "interval": "95 % interval",
        "seeds": "seeds",
        "spread": "between seeds, points",
        "time": "time to {target}",
        "note_few": "With fewer than 5 seeds this is about these nets: another seed may be as far apart as the seeds "
        "are.",
        "note_enough": "Over {seeds} seeds: this is about the frameworks, on these images.",
        "optimistic": "Of the validation images, by which nets may have been chosen: optimistic.",
    },
    "zh": {
        "title": "准确率是否相同？",
        "true": "相同：任何一对的差别都不超过 {margin} 个百分点。",
        "false": "不同：有一对相差超过 {margin} 个百分点。",
        "none": "这些图片不足以判断各网络是否相差 {margin} 个百分点以内。",
        "pair": "{a} 与 {b}：相差 {difference} 个百分点（{low} 到 {high}）；"
        "这些图片能支持的结论是相差不超过 {supported} 个百分点；{visible} 个百分点的差别是可以看出来的。",
        "same_net": "{a} 和 {b} 是完全相同的网络：没有可比之处。",
        "framework": "框架",
        "mean": "准确率",
        "interval": "95 % 置信区间",
        "seeds": "随机种子数",
        "spread": "种子间差距（百分点）",
        "time": "达到 {target} 用时",
        "note_few": "随机种子少于 5 个时，结论只针对这几个网络：换一个种子，差别可能与种子间的差距一样大。",
        "note_enough": "基于 {seeds} 个随机种子：在这些图片上，结论针对框架本身。",
        "optimistic": "按验证图片计算，网络可能就是按它们选出来的：偏乐观。",
    },
}

TEMPLATE = """
<p>{{ sentence }}</p>
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('framework') }}</th>
{% for label in columns %}<th class="number">{{ label }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, cells in rows %}
<tr><th scope="row">{{ name }}</th>
{% for label, cell in cells %}<td class="number" data-label="{{ label }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<ul>{% for line in pairs %}<li>{{ line }}</li>{% endfor %}</ul>
<p class="note">{{ note }}</p>
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A row a framework, a sentence a pair; None where no accuracies were compared."""
    comparison = report.comparison or {}
    found = comparison.get("accuracy") or {}
    pairs = found.get("pairs")
    if not pairs:
        return None
    rows = {name: row for name, row in found.items() if isinstance(row, dict) and "mean" in row}
    shown = [(framework(name), _cells(row, say)) for name, row in rows.items()]
    margin, equal = f"{100 * found['margin']:g}", found.get("equivalent")
    seeds = min(row["seeds"] for row in rows.values())
    note = say("note_enough", seeds=seeds) if seeds >= 5 else say("note_few")
    if comparison.get("accuracy_split") == "validation":
        note += " " + say("optimistic")
    return {
        "sentence": say({True: "true", False: "false", None: "none"}[equal], margin=margin),
        "columns": [label for label, _ in shown[0][1]],
        "rows": shown,
        "pairs": [_pair(row, say) for row in pairs],
        "note": note,
    }


def _cells(row: dict[str, Any], say: Say) -> list[tuple[str, str]]:
    cells = [
        (say("mean"), percent(row["mean"])),
        (say("interval"), " – ".join(percent(side) for side in row["interval"])),
        (say("seeds"), str(row["seeds"])),
    ]
    if row["seeds"] > 1:
        cells.append((say("spread"), f"{100 * row['spread']:.1f}"))
    if row.get("time_to_accuracy_s") is not None:
        cells.append((say("time", target=percent(row["target_accuracy"])), f"{row['time_to_accuracy_s']:.1f} s"))
    return cells


def _pair(row: dict[str, Any], say: Say) -> str:
    a, b = framework(row["a"]), framework(row["b"])
    if row["same_net"]:
        return say("same_net", a=a, b=b)
    low, high = (f"{100 * side:+z.1f}" for side in row["interval"])
    points = {key: f"{100 * row[key]:.1f}" for key in ("supported", "visible")}
    return say("pair", a=a, b=b, difference=f"{100 * row['difference']:+z.1f}", low=low, high=high, **points)
