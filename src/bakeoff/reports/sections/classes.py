"""classes: which classes are recognised well and which are not, and how sure that is."""

from __future__ import annotations

from typing import Any

from bakeoff.drawing.svg import intervals
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.reports.figures import TABLE, overall
from bakeoff.reports.source import Report
from bakeoff.schemas import ClassScore
from bakeoff.texts.catalogue import Say, framework, percent

ORDER = 40
SHOWN = 40

TEXT = {
    "en": {
        "title": "Accuracy per class",
        "note": "Recall: of the images of a class, the share that was recognised; the worst class first. Bars are 95 % "
        "intervals (Wilson): where they overlap, the difference may be chance. The scale runs from {low} to 100 %.",
        "num": "images",
        "recall": "recall",
        "precision": "precision",
        "range": "95 % interval",
        "overall": "All classes together",
        "more": "{count} more classes, all better than these, are not shown.",
    },
    "zh": {
        "title": "各类别的准确率",
        "note": "召回率：每个类别的图片被认出的比例，最差的排在最前。横线是 95 % 置信区间（Wilson）："
        "区间重叠时，差别可能只是偶然。"
        "刻度从 {low} 到 100 %。",
        "num": "图片数",
        "recall": "召回率",
        "precision": "精确率",
        "range": "95 % 置信区间",
        "overall": "全部类别",
        "more": "另有 {count} 个类别都比这些好，未列出。",
    },
}

TEMPLATE = """
<p class="note">{{ t('note', low=low) }}</p>
{% if names|length > 1 %}
<ul class="legend">
{% for name in names %}
<li><svg viewBox="0 0 32 10" aria-hidden="true"><line class="whisker s{{ loop.index0 }}" x1="0" x2="32" y1="5" y2="5"/>
<circle class="dot s{{ loop.index0 }}" cx="16" cy="5" r="4"/></svg>{{ name }}</li>
{% endfor %}
</ul>
{% endif %}
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('class') }}</th><th class="number">{{ t('num') }}</th><th>{{ t('range') }}</th>
{% for name in names %}<th class="number">{{ t('recall') if names|length == 1 else name }}</th>{% endfor %}
{% if names|length == 1 %}<th class="number">{{ t('precision') }}</th>{% endif %}</tr></thead>
<tbody>
{% for row in rows %}
<tr><th>{{ row.name }}</th><td class="number" data-label="{{ t('num') }}">{{ row.num }}</td><td>{{ row.strip }}</td>
{% for name, share in row.recalls %}
<td class="number" data-label="{{ name if names|length > 1 else t('recall') }}">{{ share|percent }}</td>
{% endfor %}
{% if names|length == 1 %}
<td class="number" data-label="{{ t('precision') }}">{{ row.precision|percent }}</td>
{% endif %}
</tr>
{% endfor %}
</tbody></table></div>
{% if more %}<p class="note">{{ t('more', count=more) }}</p>{% endif %}
{% if overall %}"""
TEMPLATE += TABLE + "{% endif %}\n"

Span = tuple[float, float, float]


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A row a class: number of images, interval plot, share recognised by each framework."""
    scored = report.scored
    if not scored or report.multilabel:  # `labels` says it of several labels
        return None
    names = [framework(run.name) for run, _ in scored]
    found = [[score.per_class[index] for _, score in scored] for index in range(len(scored[0][1].per_class))]
    found = sorted(found, key=lambda row: min(_recall(each) for each in row))
    spans = [[_span(each) for each in row] for row in found[:SHOWN]]
    least = min((span[1] for row in spans for span in row if span), default=0.0)
    low = int(least * 10) / 10 if least < 1 else 0.9
    rows = [
        {
            "name": row[0].name,
            "num": row[0].num,
            "recalls": [(name, each.recall) for name, each in zip(names, row, strict=True)],
            "precision": row[0].precision,
            "strip": intervals(span, low=low, title=_spoken(row, names)),
        }
        for row, span in zip(found, spans, strict=False)
    ]
    return {
        "names": names,
        "rows": rows,
        "low": percent(low, 0),
        "more": max(0, len(found) - SHOWN),
        "overall": overall(names, [score for _, score in scored], say.language),
    }


def _recall(one: ClassScore) -> float:
    return 2.0 if one.recall is None else one.recall  # a class without images goes last


def _span(one: ClassScore) -> Span | None:
    return (one.correct / one.num, *wilson(one.correct, one.num)) if one.num else None


def _spoken(row: list[ClassScore], names: list[str]) -> str:
    return f"{row[0].name}: " + ", ".join(f"{name} {percent(c.recall)}" for name, c in zip(names, row, strict=True))
