"""calibration: whether the probabilities mean what they say, and what keeping quiet when unsure would gain."""

from __future__ import annotations

from typing import Any

from bakeoff.drawing.svg import Series, lines
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.evaluation.statistics.calibration import Bin, calibration_error, reliability
from bakeoff.evaluation.statistics.coverage import Coverage, coverage
from bakeoff.evaluation.unknown import figures
from bakeoff.reports.source import Report, RunView
from bakeoff.rundir.result import Unknown
from bakeoff.schemas import Predictions
from bakeoff.texts.catalogue import Say, framework, percent

ORDER = 55
THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
BINS = 10

TEXT = {
    "en": {
        "title": "Can the probabilities be trusted?",
        "note": "Images grouped by how sure the model was. On the thin line it would be right just as often as it "
        "says; below it, it is too sure of itself. Mean distance (expected calibration error): {error}.",
        "plot": "Accuracy by stated probability",
        "axis": "stated probability, %",
        "honest": "as sure as right",
        "counts": "Images in each group, from the least sure: {counts}.",
        "quiet": "Answering only when sure",
        "threshold": "from a probability of",
        "answered": "{name}: answered",
        "right": "{name}: right",
        "none": "{name}: {refused} of {num} validation images and {count} of {total} {split} images are less similar "
        "than {threshold} to every class; {right} of the latter were answered rightly. Such images are called unknown.",
        "note_multilabel": "All answers (each class of each image) grouped by their probability. On the thin line a "
        "label is there just as often as the probability says. Mean distance (expected calibration error): {error}.",
        "plot_multilabel": "How often a label is there, by its probability",
        "honest_multilabel": "there as often as said",
    },
    "zh": {
        "title": "概率可信吗？",
        "note": "按模型的把握给图片分组。落在细线上，说明它说多大把握就有多大正确率；低于细线，说明它过于自信。"
        "平均偏差（期望校准误差）：{error}。",
        "plot": "不同预测概率下的准确率",
        "axis": "预测概率，%",
        "honest": "把握与正确率一致",
        "counts": "各组图片数，从把握最小的开始：{counts}。",
        "quiet": "只在有把握时作答",
        "threshold": "概率不低于",
        "answered": "{name}：作答比例",
        "right": "{name}：正确率",
        "none": "{name}：验证集 {num} 张图片中有 {refused} 张、{split} {total} 张中有 {count} 张与每个类别的相似度都"
        "低于 {threshold}；后者中有 {right} 张答对。这样的图片会标为未知（unknown）。",
        "note_multilabel": "把所有判断（每张图片的每个类别）按概率分组。落在细线上，"
        "说明标签出现的频率与所说的概率一致。平均偏差（期望校准误差）：{error}。",
        "plot_multilabel": "标签实际出现的频率",
        "honest_multilabel": "频率与概率一致",
    },
}

TEMPLATE = """
<p class="note">{{ t(note, error=error) }}</p>
<div class="columns">
<figure class="card">
{{ legend(names) -}}
{{ plot }}
<figcaption>{{ counts }}</figcaption>
</figure>
{% if not rows %}<div></div>{% endif %}
{% if rows %}
<div{{ ' class="whole"'|safe if runs|length > 1 }}><h3>{{ t('quiet') }}</h3>
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('threshold') }}</th>
{% for name in runs %}<th class="number">{{ t('answered', name=name) }}</th>
<th class="number">{{ t('right', name=name) }}</th>{% endfor %}</tr></thead>
<tbody>
{% for threshold, cells in rows %}
<tr><th>{{ threshold }}</th>
{% for label, cell in cells %}<td class="number" data-label="{{ label }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div></div>
{% endif %}
</div>
{% for line in unknown %}<p class="note">{{ line }}</p>
{% endfor %}
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A reliability diagram and a table of coverage, of the runs that kept predictions."""
    kept = [(run, run.predictions) for run in report.runs if run.predictions is not None]
    if not kept:
        return None
    names, kind = [framework(run.name) for run, _ in kept], "_multilabel" if report.multilabel else ""
    found = [of_predictions(each).stated(each.logits, each.labels) for _, each in kept]
    curves = [_curve(name, reliability(*pair, BINS)) for name, pair in zip(names, found, strict=True)]
    honest = Series(say("honest" + kind), ((0.0, 0.0), (100.0, 1.0)))
    thresholds = () if report.multilabel else THRESHOLDS  # a model that may give no label need not keep quiet besides
    tables = [coverage(*pair, thresholds) for pair in found]
    shown = [(name, len(each.labels), list(table)) for name, (_, each), table in zip(names, kept, tables, strict=True)]
    return {
        "error": ", ".join(_error(run, pair, len(kept)) for (run, _), pair in zip(kept, found, strict=True)),
        "runs": names,
        "counts": " ".join(_counted(say, name, pair, len(kept)) for name, pair in zip(names, found, strict=True)),
        "note": "note" + kind,
        "names": [*names, say("honest" + kind)],
        "plot": lines(
            [*curves, honest], title=say("plot" + kind), x_label=say("axis"), y_format=percent, dots=True, most=1.0
        ),
        "rows": [
            (percent(threshold, 0), [cell for each in shown for cell in _cells(say, each, i)])
            for i, threshold in enumerate(thresholds)
        ],
        "unknown": [_none(say, run, told, found) for run, found in kept if (told := run.facts.unknown) is not None],
    }


def _none(say: Say, run: RunView, told: Unknown, found: Predictions) -> str:
    """How many images are called unknown; of a run whose predictions don't say it, of the validation images alone."""
    row = figures(found, told.threshold) if found.similarity is not None else None
    return say(
        "none",
        name=framework(run.name),
        refused=f"{told.refused_validation:,}",
        num=f"{told.num:,}",
        threshold=f"{told.threshold:.2f}",
        split=say(run.split),
        total=f"{len(found.labels):,}",
        count="–" if row is None else f"{row['num']:,}",
        right="–" if row is None else f"{row['right']:,}",
    )


def _error(run: RunView, pair: tuple[Any, Any], runs: int) -> str:
    value = percent(calibration_error(*pair))
    return value if runs == 1 else f"{framework(run.name)} {value}"


def _counted(say: Say, name: str, pair: tuple[Any, Any], runs: int) -> str:
    counts = ", ".join(f"{row.num:,}" for row in reliability(*pair, BINS))
    return ("" if runs == 1 else f"{name}: ") + say("counts", counts=counts)


def _cells(say: Say, shown: tuple[str, int, list[Coverage]], place: int) -> list[tuple[str, str]]:
    """(label, figure): the share that is answered with its count, and how much of it is right."""
    name, num, table = shown
    row = table[place]
    answered = f"{percent(row.coverage)} ({round(row.coverage * num):,})"
    return [(say("answered", name=name), answered), (say("right", name=name), percent(row.accuracy))]


def _curve(name: str, bins: tuple[Bin, ...]) -> Series:
    return Series(name, tuple((100 * row.confidence, row.accuracy) for row in bins))
