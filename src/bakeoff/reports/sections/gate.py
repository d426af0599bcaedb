"""gate: whether fine-tuning was kept, and the validation images that decided it."""

from __future__ import annotations

from typing import Any

from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say, framework, percent

ORDER = 25

TEXT = {
    "en": {
        "title": "Was going on worth it?",
        "who": "{name}, {phase}:",
        "finetune": "fine-tuning",
        "widen": "more backbones",
        "kept": "Kept: it is better on the validation images than what was there before it.",
        "rejected": "Rejected: the validation images don't show for certain that it is better; the net is as before.",
        "worse": "Rejected: it is worse on the validation images than what was there before it; the net is as before.",
        "unjudged": "Left out: there are no validation images that could say whether it makes the net better.",
        "perfect": "Left out: all {num} validation images are right without it.",
        "few": "Left out: {num} validation images can't tell a gain of less than {points} points ({least} of them), "
        "which is more than all that are wrong without it ({wrong}).",
        "instead": "Left out: {instead} is kept.",
        "extra": "Left out: the weights aren't installed ({extra}).",
        "before": "before",
        "after": "after",
        "difference": "difference, points",
        "interval": "{confidence} % interval, points",
        "won": "won",
        "lost": "lost",
        "note": "Validation accuracy on {num} images, compared image by image; won and lost are images that "
        "only the net after, or only the net before, gets right. Kept where the interval lies above 0.",
    },
    "zh": {
        "title": "继续训练是否值得？",
        "who": "{name}，{phase}：",
        "finetune": "微调",
        "widen": "更多主干网络",
        "kept": "保留：在验证图片上，优于之前。",
        "rejected": "放弃：验证图片不足以确定更好，网络恢复为之前的状态。",
        "worse": "放弃：在验证图片上不如之前，网络恢复为之前的状态。",
        "unjudged": "未进行：没有验证图片可用于判断是否更好。",
        "perfect": "未进行：已答对全部 {num} 张验证图片。",
        "few": "未进行：{num} 张验证图片能分辨的最小提升是 {points} 个百分点（{least} 张），"
        "超过现在答错的总数（{wrong} 张）。",
        "instead": "未进行：保留 {instead}。",
        "extra": "未进行：没有安装权重（{extra}）。",
        "before": "之前",
        "after": "之后",
        "difference": "差值（百分点）",
        "interval": "{confidence} % 置信区间（百分点）",
        "won": "新增答对",
        "lost": "转为答错",
        "note": "在 {num} 张验证图片上逐张比较准确率；“新增答对”与“转为答错”分别是"
        "只有之后、只有之前答对的图片数。区间全部高于 0 时保留。",
    },
}

TEMPLATE = """
{% for row in rows %}
<p>{% if rows|length > 1 %}<strong>{{ row.who }}</strong> {% endif %}{{ row.decision }}</p>
{% if row.cells %}
<div class="scroll"><table class="stack">
<thead><tr>{% for label, _ in row.cells %}<th class="number">{{ label }}</th>{% endfor %}</tr></thead>
<tbody><tr>
{% for label, cell in row.cells %}<td class="number" data-label="{{ label }}">{{ cell }}</td>{% endfor %}</tr>
</tbody></table></div>
<p class="note">{{ row.note }}</p>
{% endif %}
{% endfor %}
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A row a decision; None where no phase had to prove itself."""
    rows = []
    for run in report.runs:
        for phase in run.facts.phases:
            if "gate" in phase:
                who = say("who", name=framework(run.name), phase=say(phase["name"]))
                rows.append({"who": who, **_row(phase["gate"], say)})
    return {"rows": rows} if rows else None


def _row(decision: dict[str, Any], say: Say) -> dict[str, Any]:
    if "interval" not in decision:
        points = f"{100 * decision.get('least', 0) / max(decision['num'], 1):.1f}"
        key = next((key for key in ("extra", "instead") if key in decision), "unjudged")
        if key == "unjudged" and decision["num"]:
            key = "few" if decision["wrong"] else "perfect"
        return {"decision": say(key, **decision, points=points), "cells": [], "note": ""}
    low, high = decision["interval"]
    confidence = f"{100 * decision['confidence']:g}"
    cells = [
        (say("before"), percent(decision["before"])),
        (say("after"), percent(decision["after"])),
        (say("difference"), _points(decision["difference"])),
        (say("interval", confidence=confidence), f"{_points(low)} – {_points(high)}"),
        (say("won"), str(decision["won"])),
        (say("lost"), str(decision["lost"])),
    ]
    return {
        "decision": say("kept" if decision["kept"] else "worse" if high < 0 else "rejected"),
        "cells": cells,
        "note": say("note", num=decision["num"]),
    }


def _points(share: float) -> str:
    """Percentage points with their sign; nothing has none."""
    return f"{100 * share:+z.1f}".replace("-", "−") if abs(share) >= 0.0005 else "0.0"
