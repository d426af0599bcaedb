"""environment: what made this: versions, machine, data, weights and the resolved recipe."""

from __future__ import annotations

from typing import Any

from bakeoff.reports.source import Report, RunView
from bakeoff.texts.catalogue import Say, framework

ORDER = 90

TEXT = {
    "en": {
        "title": "Environment",
        "recipe": "The resolved recipe",
        "seed": "seed",
        "device": "device",
        "precision": "precision",
        "parameters": "parameters",
        "wall_s": "wall time",
        "weights_sha256": "weights, SHA-256",
        "fingerprint": "images, SHA-256",
        "network": "network",
        "workers": "workers",
        "reduce": "gradients added",
        "exact": "in one order (exact)",
        "native": "by the framework's own collective (native)",
        "restarts": "{workers}; all began again after a worker had ended, at step {steps}",
    },
    "zh": {
        "title": "运行环境",
        "recipe": "完整的训练配方",
        "seed": "随机种子",
        "device": "设备",
        "precision": "精度",
        "parameters": "参数量",
        "wall_s": "总用时",
        "weights_sha256": "权重 SHA-256",
        "fingerprint": "图片 SHA-256",
        "network": "网络",
        "workers": "工作进程",
        "reduce": "梯度求和",
        "exact": "固定顺序（exact）",
        "native": "框架自带的集合通信（native）",
        "restarts": "{workers}；有进程中断后全体从检查点继续，步数 {steps}",
    },
}

TEMPLATE = """
<div class="scroll"><table>
{% if names|length > 1 %}
<thead><tr><th></th>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr></thead>
{% endif %}
<tbody>
{% for key, cells in rows %}
<tr><th>{{ key }}</th>
{% if same(cells) %}<td colspan="{{ names|length }}">{{ cells[0] }}</td>
{% else %}{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}{% endif %}</tr>
{% endfor %}
</tbody></table></div>
{% if recipe %}<p></p><details><summary>{{ t('recipe') }}</summary><pre>{{ recipe }}</pre></details>{% endif %}
"""

FACTS = ("seed", "device", "precision", "parameters", "wall_s", "weights_sha256")


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A row a fact, a column a framework; paths and host names are not among the facts."""
    columns = [_facts(run, say) for run in report.runs]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    rows = [(key, [column.get(key, "–") for column in columns]) for key in keys]
    return {
        "names": [framework(run.name) for run in report.runs],
        "rows": rows,
        "recipe": report.first.recipe,
        "same": lambda cells: len(set(cells)) == 1,
    }


def _facts(run: RunView, say: Say) -> dict[str, str]:
    facts = run.facts
    found = {say("network"): facts.backbone or facts.model or "–"}
    found |= {say(key): _text(key, getattr(facts, key)) for key in FACTS}
    if facts.workers:
        steps = ", ".join(str(row.step) for row in facts.restarts)
        found[say("workers")] = say("restarts", workers=facts.workers, steps=steps) if steps else str(facts.workers)
    if facts.reduce:
        found[say("reduce")] = say(facts.reduce)
    if run.manifest.get("fingerprint"):
        found[say("fingerprint")] = str(run.manifest["fingerprint"])[:16] + "…"
    return {**found, **run.environment}


def _text(key: str, value: Any) -> str:
    if key == "wall_s":
        return f"{float(value):.1f} s"
    if key == "parameters":
        return f"{int(value):,}"
    return f"{value[:16]}…" if key == "weights_sha256" else str(value)
