"""verdict: what came out, in one sentence, and the numbers behind it side by side."""

from __future__ import annotations

from typing import Any

from bakeoff.evaluation.kinds import choice_of
from bakeoff.reports.source import Report, RunView
from bakeoff.schemas import MultilabelScore
from bakeoff.texts.catalogue import Say, framework, percent, short

ORDER = 10

TEXT = {
    "en": {
        "title": "Verdict",
        "single": "{framework} gets {accuracy} of {num} {split} images right (95 % interval: {low} to {high}).",
        "multilabel": "{framework}: mean average precision {map} on {num} {split} images; from a probability of "
        "{threshold} on, all labels of {accuracy} of them are right (95 % interval: {low} to {high}).",
        "untested": "{framework} was trained on {num} images; there is no split to judge it on.",
        "unfinished": "{framework} isn't at its end: the curves go up to the last checkpoint. Judge it on images by "
        "bakeoff evaluate, or go on with it: bakeoff train --resume RUN",
        "same": "The same network: all {count} checks passed",
        "different": "Not the same: {count} of {total} checks failed",
        "accuracy": "accuracy",
        "map": "mAP",
        "whole": "all labels right",
        "interval": "95 % interval",
        "step": "ms a step",
        "speed": "images/s",
        "memory": "peak memory",
        "wall": "training time",
        "compile": "of it compiling",
        "data": "{classes} classes; {train} images to train on, {validation} to choose by, {test} to judge by.",
        "excluded": "{count} files were no readable images and are left out: {names}",
        "judged": "Accuracy on the {split} set, {num} images.",
        "tta": "Averaged with mirror images (test-time augmentation): {accuracy}, {change} points.",
        "more": "{names} and {count} more",
    },
    "zh": {
        "title": "结论",
        "single": "{framework} 在{split}的 {num} 张图片上答对 {accuracy}（95 % 置信区间：{low} 到 {high}）。",
        "multilabel": "{framework} 在{split}的 {num} 张图片上平均精度均值（mAP）为 {map}；以概率 {threshold} 为界，"
        "{accuracy} 的图片全部标签正确（95 % 置信区间：{low} 到 {high}）。",
        "untested": "{framework} 用 {num} 张图片训练；没有可用于评估的数据。",
        "unfinished": "{framework} 的训练尚未结束：曲线到最后一个检查点为止。可用 bakeoff evaluate 在图片上评估，"
        "或继续训练：bakeoff train --resume RUN",
        "same": "同一个网络：{count} 项检查全部通过",
        "different": "并不相同：{total} 项检查中有 {count} 项未通过",
        "accuracy": "准确率",
        "map": "mAP",
        "whole": "全部标签正确",
        "interval": "95 % 置信区间",
        "step": "每步毫秒",
        "speed": "张图片/秒",
        "memory": "内存峰值",
        "wall": "训练用时",
        "compile": "其中编译",
        "data": "{classes} 个类别；训练 {train} 张，验证 {validation} 张，测试 {test} 张。",
        "excluded": "有 {count} 个文件不是可读的图片，已排除：{names}",
        "judged": "准确率按{split}的 {num} 张图片计算。",
        "tta": "与镜像图片取平均（测试时增强）：{accuracy}，变化 {change} 个百分点。",
        "more": "{names} 等，另有 {count} 个",
        "verdict_same": "各框架训练出的是同一个网络。",
        "verdict_different": "各框架训练出的并不是同一个网络，下面的比较不算数。",
        "verdict_accuracy": "准确率：{list}。",
    },
}

TEMPLATE = """
{% if parity %}
<p class="badge {{ 'good' if parity.passed else 'bad' }}">{{ '✓' if parity.passed else '✗' }} {{ parity.text }}</p>
{% endif %}
<p class="verdict">{{ sentence }}</p>
{% if rows %}
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('framework') }}</th>
{% for name in columns %}<th class="number">{{ t(name) }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, cells in rows %}
<tr><th>{{ name }}</th>
{% for label, cell in cells %}<td class="number" data-label="{{ t(label) }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
<p class="note">{% if judged %}{{ judged }} {% endif %}{{ counts }}{% if tta %}<br>{{ tta }}{% endif %}
{% if excluded %}<br>{{ excluded }}{% endif %}</p>
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A sentence, a table of frameworks, and what the images were."""
    facts = report.first.facts
    counts = {"train": facts.num_train, "validation": facts.num_validation, "test": facts.num_test}
    columns, rows = _table(report)
    scored = report.scored
    judged = say("judged", split=say(scored[0][0].split), num=scored[0][1].num) if scored and rows else ""
    return {
        "sentence": _sentence(report, say),
        "parity": _parity(report, say),
        "columns": columns,
        "rows": rows,
        "judged": judged,
        "counts": say("data", classes=len(facts.classes), **{key: f"{num:,}" for key, num in counts.items()}),
        "tta": _averaged(report, say),
        "excluded": _excluded(facts.excluded, say),
    }


def _sentence(report: Report, say: Say) -> str:
    if report.comparison is None:
        return _single(report.first, say)
    if say.language == "en" and report.comparison.get("verdict"):
        return str(report.comparison["verdict"])
    return _chinese(report, say) if say.language == "zh" else " ".join(_single(run, say) for run in report.runs)


def _single(run: RunView, say: Say) -> str:
    name = framework(run.name)
    if run.unfinished:
        return say("unfinished", framework=name)
    if run.score is None:
        return say("untested", framework=name, num=run.facts.num_train)
    low, high = run.score.accuracy_interval
    more: dict[str, str] = {}
    if isinstance(run.score, MultilabelScore):
        more = {"map": percent(run.score.figures[run.score.choice]), "threshold": short(run.score.threshold)}
    return say(
        "multilabel" if more else "single",
        **more,
        framework=name,
        accuracy=percent(run.score.accuracy),
        num=run.score.num,
        split=say(run.split),
        low=percent(low),
        high=percent(high),
    )


def _chinese(report: Report, say: Say) -> str:
    """The comparison's own verdict is English: the same facts, said in Chinese."""
    assert report.comparison is not None
    found = report.comparison["frameworks"]
    parity = report.comparison.get("parity") or {}
    sentences = [say("verdict_same" if parity.get("passed") else "verdict_different")] if parity else []
    scores = [f"{framework(name)} {percent(row.get('accuracy'))}" for name, row in found.items()]
    sentences.append(say("verdict_accuracy", list="，".join(scores)))
    needs = report.comparison.get("needs_zh") or []
    sentences += [f"{row['need']}：{row['why']}。" for row in needs[:1]]
    return "".join(sentences)


def _parity(report: Report, say: Say) -> dict[str, Any] | None:
    checks = ((report.comparison or {}).get("parity") or {}).get("checks") or []
    if not checks:
        return None
    failed = sum(not check["passed"] for check in checks)
    text = say("different", count=failed, total=len(checks)) if failed else say("same", count=len(checks))
    return {"passed": not failed, "text": text}


def _table(report: Report) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """Column names, and a row a framework: (its name, pairs of column and cell)."""
    from bakeoff.texts.catalogue import size

    if report.comparison is None:
        return [], []
    rows = []
    for name, found in report.comparison["frameworks"].items():
        low, high = found.get("accuracy_interval") or (None, None)
        seconds = found.get("train_wall_s")
        compiling = found.get("compile_s")
        speed = found.get("images_per_s")
        choice = choice_of(found)
        multilabel = choice != "accuracy"
        cells = [
            *([("map", percent(found[choice]))] if multilabel else []),
            ("whole" if multilabel else "accuracy", percent(found.get("accuracy"))),
            ("interval", "–" if low is None else f"{percent(low)} – {percent(high)}"),
            ("step", short(found.get("step_ms"))),
            ("speed", "–" if speed is None else f"{speed:,.0f}"),
            ("memory", size(found.get("peak_memory_bytes"))),
            ("wall", "–" if seconds is None else f"{seconds:.1f} s"),
            ("compile", "–" if compiling is None else f"{compiling:.1f} s"),
        ]
        rows.append((framework(name), cells))
    return [label for label, _ in rows[0][1]], rows


def _averaged(report: Report, say: Say) -> str:
    """What test-time augmentation gains, of a single run."""
    found = getattr(report.first.facts, report.first.split).get("tta")
    if not found or report.comparison is not None:
        return ""
    return say("tta", accuracy=percent(found["accuracy"]), change=f"{100 * found['difference']:+z.1f}")


def _excluded(paths: list[Any], say: Say) -> str:
    if not paths:
        return ""
    names = ", ".join(str(path) for path in paths[:5])
    if len(paths) > 5:
        names = say("more", names=names, count=len(paths) - 5)
    return say("excluded", count=len(paths), names=names)
