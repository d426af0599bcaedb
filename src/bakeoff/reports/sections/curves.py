"""curves: how training went: the loss of every step, smoothed, and the validation accuracy of every epoch."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

from bakeoff.drawing.svg import Series, lines, smoothed, thinned
from bakeoff.evaluation.kinds import choice_of
from bakeoff.reports.source import Report, RunView
from bakeoff.texts.catalogue import Say, framework, percent, short

ORDER = 20
SOLVED = ("probe", "widen")  # by a solver from a warm start: its steps say nothing of how training went

TEXT = {
    "en": {
        "title": "Training",
        "loss": "Training loss per step",
        "loss_note": "Cross-entropy in nats, a running mean over about {window} steps.",
        "loss_raw": "Cross-entropy in nats.",
        "anew": "Each phase begins a line of its own.",
        "level": "The thin line is the level of the net before the phase, {level}.",
        "accuracy": "Validation accuracy per epoch",
        "accuracy_note": "After each epoch, on {num} images that were not trained on.",
        "band": "The line is the first seed; the band goes from the least to the largest of {seeds}.",
        "precision": "Validation mean average precision per epoch",
        "step": "step",
        "epoch": "epoch",
        "upon": "Where only one line is seen, the dashed one lies upon the solid one.",
        "held": "Validation curves may part early on though the losses agree: {paths} stand before a BatchNorm, have "
        "no gradient but rounding, and Adam follows that rounding, differently in each framework. The parity checks "
        "hold them still.",
    },
    "zh": {
        "title": "训练过程",
        "loss": "每一步的训练损失",
        "loss_note": "交叉熵（nat），约 {window} 步的滑动平均。",
        "loss_raw": "交叉熵（nat）。",
        "anew": "每个阶段另起一条线。",
        "level": "细线是该阶段之前网络的水平，{level}。",
        "accuracy": "每一轮的验证准确率",
        "accuracy_note": "每轮之后在 {num} 张未参与训练的图片上测得。",
        "band": "线为第一个随机种子，色带为 {seeds} 个种子中的最小到最大。",
        "precision": "每一轮的验证 mAP（平均精度均值）",
        "step": "步",
        "epoch": "轮",
        "upon": "如果只看到一条线，说明虚线与实线重合。",
        "held": "即使损失一致，验证曲线在训练初期也可能分开：{paths} 位于 BatchNorm 之前，其梯度只有舍入误差，而 Adam "
        "会跟随这一误差移动，各框架的方向不同。一致性检查中这些参数保持不变。",
    },
}

TEMPLATE = """
{% if names|length > 1 %}
{{ legend(names) -}}
{% endif %}
<div class="columns">
{% for plot in plots %}
<figure class="card"><h3>{{ plot.title }}</h3>{{ plot.svg }}<figcaption>{{ plot.note }}</figcaption></figure>
{% endfor %}
</div>
{% if names|length > 1 %}<p class="note">{{ t('upon') }}</p>{% endif %}
{% if held %}<p class="note">{{ t('held', paths=held) }}</p>{% endif %}
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """The plots; None where nothing was trained step by step, as in a probe."""
    plots = [plot for plot in (_loss(report, say), _accuracy(report, say)) if plot]
    if not plots:
        return None
    held = (report.comparison or {}).get("parity", {}).get("held", [])
    return {"plots": plots, "names": [framework(run.name) for run in report.runs], "held": ", ".join(held)}


def _loss(report: Report, say: Say) -> dict[str, Any] | None:
    window = max(1, max(len(run.steps) for run in report.runs) // 40)
    series = [Series(framework(run.name), *_smooth(run, window)) for run in report.runs]
    if not any(one.points for one in series):
        return None
    svg = lines(series, title=say("loss"), x_label=say("step"), y_format=short)
    note = say("loss_note", window=window) if window > 1 else say("loss_raw")
    anew = " " + say("anew") if any(one.breaks for one in series) else ""
    return {"title": say("loss"), "svg": svg, "note": note + anew}


def _smooth(run: RunView, window: int) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
    """(step over all phases, loss), smoothed within a phase, and where phases begin; what isn't finite is left out."""
    points, breaks = list[tuple[float, float]](), list[float]()
    steps = [row for row in run.steps if row.get("phase") not in SOLVED]
    for _, phase in groupby(enumerate(steps), lambda row: row[1].get("phase")):
        rows = [(index, float(row["loss"])) for index, row in phase if row.get("loss") is not None]
        rows = [(index, loss) for index, loss in rows if math.isfinite(loss)]
        means = smoothed([loss for _, loss in rows], window)
        breaks += [rows[0][0]] if points and rows else []
        points += thinned([(index, mean) for (index, _), mean in zip(rows, means, strict=True)])
    return tuple(points), tuple(breaks)


def _accuracy(report: Report, say: Say) -> dict[str, Any] | None:
    choice = choice_of({key: None for run in report.runs for row in run.epochs for key in row}, "validation_")
    key, title = f"validation_{choice}", say("accuracy" if choice == "accuracy" else "precision")
    series = [
        Series(
            framework(run.name),
            tuple((number, float(row[key])) for number, row in enumerate(run.epochs, 1) if row.get(key) is not None),
        )
        for run in report.runs
    ]
    if not any(one.points for one in series):
        return None
    before = [phase["gate"]["before"] for phase in report.first.facts.phases if (phase.get("gate") or {}).get("num")]
    level = before[0] if before and len(report.runs) == 1 and choice == "accuracy" else None
    bands = [_band(run, key) for run in report.runs]
    given: dict[str, Any] = {"dots": True, "most": 1.0, "level": level, "bands": bands if any(bands) else ()}
    svg = lines(series, title=title, x_label=say("epoch"), y_format=_percent, **given)
    note = say("accuracy_note", num=report.first.facts.num_validation)
    note += " " + say("band", seeds=1 + len(report.first.others)) if any(bands) else ""
    more = "" if level is None else " " + say("level", level=percent(level))
    return {"title": title, "svg": svg, "note": note + more}


def _band(run: RunView, key: str) -> list[tuple[float, float, float]]:
    """From the least to the largest over the seeds, epoch by epoch; nothing of one seed."""
    rows = zip(run.epochs, *run.others, strict=False) if run.others else ()
    values = ([float(row[key]) for row in each if row.get(key) is not None] for each in rows)
    return [(float(number), min(found), max(found)) for number, found in enumerate(values, 1) if found]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
