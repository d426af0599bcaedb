"""confusion: what is taken for what."""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.drawing.svg import heatmap
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.reports.sections.wrong import Thumbnails
from bakeoff.reports.source import Report, RunView
from bakeoff.schemas import Score
from bakeoff.texts.catalogue import Say, framework

ORDER = 50
LARGEST = 20  # more classes are drawn without numbers
PAIRS = 8
SHOWN = 3  # images of a pair

TEXT = {
    "en": {
        "title": "Confusion matrix",
        "note": "Rows: what the image is. Columns: what it was taken for. Stronger: a larger share of its row.",
        "pairs": "Most often confused",
        "pair": "{truth} taken for {predicted}: {count} of {num}",
        "none": "No image was confused.",
        "corner": "is \\ taken for",
        "map": "Confusion matrix of {name}",
    },
    "zh": {
        "title": "混淆矩阵",
        "note": "行：图片实际是什么；列：被认成什么。颜色越浓，占该行的比例越大。",
        "pairs": "最常见的混淆",
        "pair": "{truth} 被认成 {predicted}：{num} 张中有 {count} 张",
        "none": "没有图片被认错。",
        "corner": "实际 \\ 认成",
        "map": "{name} 的混淆矩阵",
    },
}

TEMPLATE = """
<p class="note">{{ t('note') }}</p>
<div class="columns">
{% for one in matrices %}
<figure class="card">
{% if matrices|length > 1 %}<h3>{{ one.name }}</h3>{% endif %}
{% if one.svg %}{{ one.svg }}{% else %}
<div class="scroll"><table class="matrix">
<thead><tr><th class="name corner">{{ t('corner') }}</th>
{% for name in classes %}
<th title="{{ name }}">{% if upright %}<span class="upright">{{ name }}</span>{% else %}{{ name }}{% endif %}</th>
{% endfor %}</tr></thead>
<tbody>
{% for row in one.rows %}
{% set row_index = loop.index0 %}
<tr><th class="name" title="{{ classes[loop.index0] }}">{{ classes[loop.index0] }}</th>
{% for count, kind, share in row %}
<td class="{{ kind }}" style="--share:{{ '%.3f' % share }}">{% if (row_index, loop.index0) in one.links %}
<a href="#{{ one.links[row_index, loop.index0] }}">{{ count }}</a>{% else %}{{ count }}{% endif %}</td>
{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
</figure>
{% endfor %}
{% for one in matrices %}
<div><h3>{{ t('pairs') }}{% if matrices|length > 1 %}: {{ one.name }}{% endif %}</h3>
{% if one.pairs %}<ul class="pairs">{% for pair in one.pairs %}
<li>{% if pair.images %}<details><summary>{{ pair.text }}</summary><div id="{{ pair.id }}">
{% for image, tiny, path in pair.images %}
<img src="{{ image }}" alt="{{ path }}" title="{{ path }}"{% if tiny %} class="tiny"{% endif %}>
{% endfor %}
</div></details>{% else %}{{ pair.text }}{% endif %}</li>
{% endfor %}</ul>
{% else %}<p>{{ t('none') }}</p>{% endif %}</div>
{% endfor %}
</div>
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A matrix a framework, and its most frequent confusions, whose images a cell of the matrix leads to."""
    if not report.scored or report.multilabel:  # of several labels, no one is taken for another
        return None
    classes = report.first.classes
    images = Thumbnails(report.scored[0][0])
    return {
        "classes": classes,
        "upright": any(len(name) > 3 for name in classes),
        "matrices": [
            _matrix(run, score, say, images, f"pair-{number}-") for number, (run, score) in enumerate(report.scored)
        ],
    }


def _matrix(run: RunView, score: Score, say: Say, images: Thumbnails, prefix: str) -> dict[str, Any]:
    classes, name = run.classes, framework(run.name)
    shares = [[count / max(sum(row), 1) for count in row] for row in score.confusion]
    large = len(classes) > LARGEST
    rows = [
        [(count, _kind(count, row == column), shares[row][column]) for column, count in enumerate(counts)]
        for row, counts in enumerate(score.confusion)
    ]
    svg = heatmap(shares, title=say("map", name=name)) if large else None
    pairs = _pairs(run, score, say, images, prefix)
    links = {pair["cell"]: pair["id"] for pair in pairs if pair["images"]}
    return {"name": name, "svg": svg, "rows": rows, "pairs": pairs, "links": links}


def _kind(count: int, diagonal: bool) -> str:
    return "none" if not count else "hit" if diagonal else "miss"


def _pairs(run: RunView, score: Score, say: Say, images: Thumbnails, prefix: str) -> list[dict[str, Any]]:
    classes = run.classes
    found = [
        (count, sum(counts), row, column)
        for row, counts in enumerate(score.confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    found.sort(key=lambda one: (-one[0], -one[0] / one[1], one[2:]))
    return [
        {
            "id": f"{prefix}{row}-{column}",
            "cell": (row, column),
            "text": say("pair", truth=classes[row], predicted=classes[column], count=count, num=num),
            "images": _images(run, row, column, images),
        }
        for count, num, row, column in found[:PAIRS]
    ]


def _images(run: RunView, truth: int, answer: int, images: Thumbnails) -> list[tuple[str, bool, str]]:
    """The first few images of one class that were taken for another."""
    found, paths = run.predictions, run.paths
    if found is None or paths is None:
        return []
    answers = of_predictions(found).answers(found.logits, getattr(run.score, "threshold", 0.5))
    rows = np.flatnonzero((found.labels == truth) & (answers == answer))[:SHOWN]
    shown = [(*images.of(str(paths[row])), str(paths[row])) for row in rows]
    return [(image, tiny, path) for image, tiny, path in shown if image is not None]
