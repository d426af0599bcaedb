"""heat: what the frameworks' nets look at, side by side, in the images that are judged most wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.drawing.thumbnail import uri
from bakeoff.errors import BakeoffError
from bakeoff.evaluation.heatmaps import heatmap
from bakeoff.evaluation.opening import open_model
from bakeoff.reports.sections.wrong import Thumbnails, judged
from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say, framework

ORDER = 62
SHOWN = 4  # images

TEXT = {
    "en": {
        "title": "What the nets look at",
        "note": "How far the answer's log-odds fall where a place of the image says nothing: the brighter, the "
        "further. Nets that are the same look at the same.",
        "said": "{framework}: {name}",
        "is": "is {name}",
    },
    "zh": {
        "title": "网络看的是哪里",
        "note": "图中某处被抹去时，答案的对数几率下降多少：越亮下降越多。相同的网络看的是相同的地方。",
        "said": "{framework}：{name}",
        "is": "实际是 {name}",
    },
}

TEMPLATE = """
<p class="note">{{ t('note') }}</p>
{% for item in items %}
<ul class="wrong">
{% for text, image, tiny in item.maps %}
<li><img src="{{ image }}" alt="{{ text }}"{% if tiny %} class="tiny"{% endif %}>
<div class="said s{{ loop.index0 }}">{{ text }}</div>
{% if loop.first %}<div class="truth">{{ t('is', name=item.truth) }}</div>{% endif %}</li>
{% endfor %}
</ul>
{% endfor %}
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """The maps of the most wrong images that are still there; None where one net alone was trained."""
    runs = [run for run, _ in report.scored]
    if len(runs) < 2 or report.multilabel or report.comparison is None:
        return None
    found = judged(runs)
    worst = np.argsort(found.true, kind="stable")[:SHOWN]
    images, items = Thumbnails(runs[0]), []
    try:
        nets = [open_model(run.path, threads=1) for run in runs]
        for row in map(int, worst):
            image = images.image("" if runs[0].paths is None else str(runs[0].paths[row]))
            if image is None:
                continue
            maps = []
            for place, (run, net) in enumerate(zip(runs, nets, strict=True)):
                name = found.guesses(place, row)[0]
                drawn = heatmap(net, image, name).draw()
                maps.append((say("said", framework=framework(run.name), name=name), *uri(drawn)))
            items.append({"truth": found.truth(row), "maps": maps})
    except (BakeoffError, OSError):  # a net that isn't there any more: the page does without
        return None
    return {"items": items} if items else None
