"""needs: what to take for what, and why; first of all, for that is what was asked."""

from __future__ import annotations

from typing import Any

from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say

ORDER = 12

TEXT = {
    "en": {
        "title": "By need",
        "need": "need",
        "choice": "take",
        "why": "why",
        "any": "any framework",
        "none": "undecided",
        "note": "Measured on this machine, with these images and this net. What would change it stands where it is "
        "known: a larger batch, a GPU, more images.",
    },
    "zh": {
        "title": "按需求选择",
        "need": "需求",
        "choice": "选择",
        "why": "理由",
        "any": "任一框架",
        "none": "未分高下",
        "note": "在这台机器上，用这些图片和这个网络测得。已知会改变结论的条件写在理由中：更大的批次、GPU、更多图片。",
    },
}

TEMPLATE = """
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('need') }}</th><th>{{ t('choice') }}</th><th>{{ t('why') }}</th></tr></thead>
<tbody>
{% for need, choice, why in rows %}
<tr><th scope="row">{{ need }}</th><td data-label="{{ t('choice') }}">{{ choice }}</td>
<td class="detail">{{ why }}</td></tr>
{% endfor %}
</tbody></table></div>
<p class="note">{{ t('note') }}</p>
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A row a need; None where none was asked."""
    found = (report.comparison or {}).get("needs") or []
    said = (report.comparison or {}).get("needs_zh") if say.language == "zh" else None
    rows = []
    for place, row in enumerate(found):
        told = said[place] if said and len(said) == len(found) else row
        choice = say("none") if row["choice"] is None else say("any") if row["choice"] == "any" else row["choice"]
        rows.append((told["need"], choice, told["why"]))
    return {"rows": rows} if rows else None
