"""The measures of all classes together, for the sections that go on class by class."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.evaluation import measures
from bakeoff.schemas import Score
from bakeoff.texts.catalogue import percent, short

ELSEWHERE = ("accuracy", "loss")  # the verdict has the one, the curves have the other

TABLE = """
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('overall') }}</th>{% for name in names %}<th class="number">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for text, cells in overall %}
<tr><th scope="row">{{ text }}</th>
{% for name, cell in cells %}<td class="number" data-label="{{ name }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
"""

Rows = list[tuple[str, list[tuple[str, str]]]]


def overall(names: Sequence[str], scores: Sequence[Score], language: str) -> Rows:
    """A row a measure that the scores have: what it is called, and (name, figure) of each."""
    found = [name for name in scores[0].figures if name not in ELSEWHERE]
    return [
        (measures.load(key).TEXT[language], [(name, worded(key, one)) for name, one in zip(names, scores, strict=True)])
        for key in found
    ]


def worded(key: str, score: Score) -> str:
    """A figure as people read it."""
    return (percent if measures.is_share(key) else short)(score.figures[key])
