"""parity: the checks that two frameworks train the same network, each with its tolerance and the part of it used."""

from __future__ import annotations

import math
from typing import Any

from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say, framework

ORDER = 30

TEXT = {
    "en": {
        "title": "Parity",
        "note": "The same start weights and the same batches went into each framework. Differences are relative to the "
        "largest value unless the detail says otherwise; each tolerance is what rounding alone may do.",
        "check": "check",
        "difference": "difference",
        "tolerance": "tolerance",
        "used": "used",
        "result": "result",
        "detail": "detail",
        "passed": "passed",
        "failed": "failed",
        "logits": "what the untrained net answers",
        "gradients": "gradients of every parameter",
        "losses": "loss over the first steps of training",
        "statistics": "running statistics of BatchNorm",
        "evaluation": "answers of the net after those steps",
        "weights": "start weights, bit for bit",
        "parameters": "every parameter after those steps",
        "batches": "images and labels of every batch, bit for bit",
        "agreed": "All {num} checks passed; nearest to its tolerance is {name}, with {used} % of it",
        "apart": "{failed} of {num} checks failed",
        "judge": "{meaning}; in float64, where rounding can't hide a difference",
    },
    "zh": {
        "title": "一致性",
        "note": "各框架使用相同的初始权重和相同的批次。除非另有说明，差别都相对于最大值；"
        "每个容差就是舍入误差本身可能造成的差别。",
        "check": "检查",
        "difference": "差别",
        "tolerance": "容差",
        "used": "占容差",
        "result": "结果",
        "detail": "说明",
        "passed": "通过",
        "failed": "未通过",
        "logits": "未训练网络的输出",
        "gradients": "每个参数的梯度",
        "losses": "训练最初若干步的损失",
        "statistics": "BatchNorm 的滑动统计量",
        "evaluation": "这些步之后网络的输出",
        "weights": "初始权重，逐位相同",
        "parameters": "这些步之后的每个参数",
        "batches": "每个批次的图片和标签，逐位相同",
        "agreed": "{num} 项检查全部通过；最接近容差的是 {name}，用去 {used} %",
        "apart": "{num} 项检查中有 {failed} 项未通过",
        "judge": "{meaning}；用 float64 计算，舍入误差掩盖不了差别",
    },
}

TEMPLATE = """
<p class="note">{{ t('note') }}</p>
<details{{ ' open' if failed }}><summary>{{ summary }}</summary>
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('check') }}</th><th>{{ t('result') }}</th><th class="number">{{ t('difference') }}</th>
<th class="number">{{ t('tolerance') }}</th><th>{{ t('used') }}</th><th>{{ t('detail') }}</th></tr></thead>
<tbody>
{% for check in checks %}
<tr><th>{{ check.name }}</th>
<td class="{{ 'good' if check.passed else 'bad' }}" data-label="{{ t('result') }}">
<span>{{ '✓' if check.passed else '✗' }}&nbsp;{{ t('passed' if check.passed else 'failed') }}</span></td>
<td class="number" data-label="{{ t('difference') }}">{{ check.difference }}</td>
<td class="number" data-label="{{ t('tolerance') }}">{{ check.tolerance }}</td>
<td data-label="{{ t('used') }}">
<span class="bar{{ '' if check.passed else ' over' }}"><i style="--share:{{ '%.3f' % check.used }}"></i></span></td>
<td class="detail">{% if check.meaning %}{{ check.meaning }}{% endif %}
{% if check.meaning and check.detail %}<br>{% endif %}{{ check.detail }}</td></tr>
{% endfor %}
</tbody></table></div>
</details>
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A row a check; None for a single run, which has nothing to be the same as."""
    checks = ((report.comparison or {}).get("parity") or {}).get("checks") or []
    if not checks:
        return None
    rows = [_row(check, say) for check in checks]
    failed, nearest = sum(not row["passed"] for row in rows), max(rows, key=lambda row: row["used"])
    told = {"num": len(rows), "failed": failed, "name": nearest["name"], "used": f"{100 * nearest['used']:.0f}"}
    return {"checks": rows, "failed": failed, "summary": say("apart" if failed else "agreed", **told)}


def _row(check: dict[str, Any], say: Say) -> dict[str, Any]:
    *kinds, name = str(check["name"]).split(".")
    difference, tolerance = _number(check["difference"]), _number(check["tolerance"])
    used = difference / tolerance if tolerance > 0 and math.isfinite(difference) else float(not check["passed"])
    return {
        "name": ", ".join([*reversed(kinds), framework(name)]),
        "passed": bool(check["passed"]),
        "difference": f"{difference:.1e}",
        "tolerance": f"{tolerance:.1e}",
        "used": min(used, 1.0),
        "meaning": _meaning(kinds, say),
        "detail": str(check.get("detail") or ""),
    }


KINDS = ("weights", "batches", "logits", "gradients", "losses", "parameters", "statistics", "evaluation")


def _meaning(kinds: list[str], say: Say) -> str:
    """What a check looks at; nothing where its name is new to this page."""
    known = next((kind for kind in kinds if kind in KINDS), None)
    if known is None:
        return ""
    return say("judge", meaning=say(known)) if "float64" in kinds else say(known)


def _number(value: Any) -> float:
    """A JSON number; null, which stands for what isn't finite, becomes nan."""
    return math.nan if value is None else float(value)
