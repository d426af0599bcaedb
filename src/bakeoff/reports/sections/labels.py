"""labels: of images with several labels, which are found and which are not."""

from __future__ import annotations

from typing import Any

from bakeoff.drawing.svg import Series, intervals, lines, thinned
from bakeoff.evaluation.statistics.ranking import precision_over_recall
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.reports.figures import TABLE, overall
from bakeoff.reports.source import Report, RunView
from bakeoff.schemas import LabelScore, MultilabelScore
from bakeoff.texts.catalogue import Say, framework, percent, short

ORDER = 45
SHOWN = 60

TEXT = {
    "en": {
        "title": "The labels one by one",
        "note": "The worst label first, by average precision: the area under the curve of precision over recall, which "
        "needs no threshold (guessing gets the label's own share). ROC AUC: how often an image with the label is "
        "ranked above one without. Recall, precision and F1 hold at the threshold, {threshold}, which the validation "
        "images chose.",
        "overall": "All labels together",
        "whole": "images with every label right",
        "plot": "Precision, by recall",
        "axis": "recall, %",
        "label": "label",
        "num": "images",
        "precision": "average precision",
        "auc": "ROC AUC",
        "range": "recall, 95 % interval",
        "recall": "recall",
        "right": "precision",
        "f1": "F1",
        "more": "{count} more labels, all better than these, are not shown.",
    },
    "zh": {
        "title": "逐个标签",
        "note": "按平均精度从差到好排列。平均精度是精确率—召回率曲线下的面积，与阈值无关"
        "（随机猜测得到的是该标签所占的比例）。"
        "ROC AUC：有该标签的图片排在没有的图片之前的频率。召回率、精确率和 F1 以验证集选定的阈值 {threshold} 计算。",
        "overall": "全部标签",
        "whole": "全部标签正确的图片",
        "plot": "精确率—召回率曲线",
        "axis": "召回率，%",
        "label": "标签",
        "num": "图片数",
        "precision": "平均精度",
        "auc": "ROC AUC",
        "range": "召回率，95 % 置信区间",
        "recall": "召回率",
        "right": "精确率",
        "f1": "F1",
        "more": "另有 {count} 个标签都比这些好，未列出。",
    },
}

TEMPLATE = """
{% if names|length > 1 %}
{{ legend(names) -}}
{% endif %}
<div class="columns">
<figure class="card"><h3>{{ t('plot') }}</h3>{{ plot }}</figure>"""
TEMPLATE += (
    TABLE
    + """</div>
<p class="note">{{ t('note', threshold=threshold) }}</p>
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('label') }}</th><th class="number">{{ t('num') }}</th>
{% for name in names %}<th class="number">{{ t('precision') if names|length == 1 else name }}</th>{% endfor %}
{% if names|length == 1 %}<th class="number">{{ t('auc') }}</th><th>{{ t('range') }}</th>
<th class="number">{{ t('recall') }}</th><th class="number">{{ t('right') }}</th>
<th class="number">{{ t('f1') }}</th>{% endif %}</tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row">{{ row.name }}</th><td class="number" data-label="{{ t('num') }}">{{ row.num }}</td>
{% for name, share in row.precisions %}
<td class="number" data-label="{{ t('precision') if names|length == 1 else name }}">{{ share|percent }}</td>
{% endfor %}
{% if names|length == 1 %}
<td class="number" data-label="{{ t('auc') }}">{{ row.auc|short }}</td><td>{{ row.strip }}</td>
<td class="number" data-label="{{ t('recall') }}">{{ row.recall|percent }}</td>
<td class="number" data-label="{{ t('right') }}">{{ row.right|percent }}</td>
<td class="number" data-label="{{ t('f1') }}">{{ row.f1|percent }}</td>
{% endif %}
</tr>
{% endfor %}
</tbody></table></div>
{% if more %}<p class="note">{{ t('more', count=more) }}</p>{% endif %}
"""
)


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A row a figure of all labels together, then a row a label; None where images have one label each."""
    scored = [(run, found) for run, found in report.scored if isinstance(found, MultilabelScore)]
    if not scored:
        return None
    names = [framework(run.name) for run, _ in scored]
    scores = [found for _, found in scored]
    whole = [(name, percent(found.accuracy)) for name, found in zip(names, scores, strict=True)]
    rows = [[found.per_class[index] for found in scores] for index in range(len(scores[0].per_class))]
    rows = sorted(rows, key=lambda row: min(_rank(each) for each in row))
    return {
        "names": names,
        "plot": _curves(names, [run for run, _ in scored], say),
        "overall": [*overall(names, scores, say.language), (say("whole"), whole)],
        "threshold": ", ".join(dict.fromkeys(short(found.threshold) for found in scores)),
        "rows": [_row(row, names) for row in rows[:SHOWN]],
        "more": max(0, len(rows) - SHOWN),
    }


def _curves(names: list[str], runs: list[RunView], say: Say) -> Any:
    """Precision over recall, all labels counted together."""
    series = []
    for name, run in zip(names, runs, strict=True):
        assert run.predictions is not None
        found = precision_over_recall(run.predictions.logits.ravel(), run.predictions.labels.ravel() > 0)
        points = [] if found is None else list(zip((100 * found[0]).tolist(), found[1].tolist(), strict=True))
        series.append(Series(name, thinned([(0.0, points[0][1]), *points]) if points else ()))
    if not any(one.points for one in series):
        return ""
    return lines(series, title=say("plot"), x_label=say("axis"), y_format=lambda y: percent(y, 0), most=1.0)


def _row(row: list[Any], names: list[str]) -> dict[str, Any]:
    one = row[0]
    span = (one.correct / one.num, *wilson(one.correct, one.num)) if one.num else None
    return {
        "name": one.name,
        "num": one.num,
        "precisions": [(name, each.average_precision) for name, each in zip(names, row, strict=True)],
        "auc": one.roc_auc,
        "strip": intervals([span], low=0.0, title=f"{one.name}: {percent(one.recall)}"),
        "recall": one.recall,
        "right": one.precision,
        "f1": one.f1,
    }


def _rank(one: Any) -> float:
    """Labels without images go last."""
    assert isinstance(one, LabelScore)
    return 2.0 if one.average_precision is None else one.average_precision
