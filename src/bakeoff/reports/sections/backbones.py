"""backbones: which pretrained net for these images: accuracy against time, and the one that is named."""

from __future__ import annotations

from typing import Any

from bakeoff.drawing.front import front
from bakeoff.reports.source import Report
from bakeoff.texts.catalogue import Say, percent, size
from bakeoff.texts.licence import caution

ORDER = 5

TEXT = {
    "en": {
        "title": "Which backbone?",
        "best": "{choice} is the most accurate on {num} held-out images, and no quicker one is shown to be within "
        "{margin} points of it.",
        "cheaper": "{choice} takes {ratio} x less time an image than {best}, the most accurate, and is {behind} points "
        "behind it ({low} to {high}): not worse by more than {margin} points.",
        "backbone": "backbone",
        "accuracy": "accuracy (95 % interval)",
        "behind": "behind the best, points",
        "enough": "within {margin} points?",
        "yes": "yes",
        "no": "no",
        "unsure": "not shown",
        "ms": "ms an image (decoding)",
        "size": "size",
        "plot": "Accuracy against time",
        "axis": "ms an image, one thread, from its bytes to its class",
        "note": "Each under a head of its own; the same {num} images for all: the validation set, and the training "
        "set by cross-validation. The line joins those that no other beats in both. The interval behind the best holds "
        "for all rows together (95 %). The test set was looked at once, for {choice}: below.",
        "licence": "{name}: {text}",
    },
    "zh": {
        "title": "选哪个主干网络？",
        "best": "在 {num} 张未参与训练的图片上，{choice} 准确率最高；"
        "没有更快的网络能证明与它相差不超过 {margin} 个百分点。",
        "cheaper": "{choice} 每张图片用时只有准确率最高的 {best} 的 {ratio} 分之一，准确率低 {behind} 个百分点"
        "（{low} 到 {high}）：相差不超过 {margin} 个百分点。",
        "backbone": "主干网络",
        "accuracy": "准确率（95 % 置信区间）",
        "behind": "落后最佳（百分点）",
        "enough": "相差 {margin} 个百分点以内？",
        "yes": "是",
        "no": "否",
        "unsure": "无法确定",
        "ms": "每张图片毫秒（解码）",
        "size": "大小",
        "plot": "准确率与用时",
        "axis": "每张图片毫秒（单线程，从文件字节到类别）",
        "note": "每个主干网络各有一个分类头；所有网络用同样的 {num} 张图片：验证集，以及训练集的交叉验证。"
        "折线连接的网络在准确率和用时上都不被其他网络超过。“落后最佳”的区间对所有行同时成立（95 %）。"
        "测试集只对 {choice} 查看一次，见下文。",
        "licence": "{name}：{text}",
    },
}

TEMPLATE = """
<p class="verdict">{{ sentence }}</p>
<div class="columns">
<div class="whole scroll"><table class="stack">
<thead><tr><th>{{ t('backbone') }}</th>
{% for label in columns %}<th class="number">{{ label }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, cells in rows %}
<tr><th scope="row">{{ loop.index }}. {{ name }}</th>
{% for label, cell in cells %}<td class="number" data-label="{{ label }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<figure class="card"><h3>{{ t('plot') }}</h3>{{ svg }}</figure>
</div>
<p class="note">{{ note }}{% for line in licences %}<br>{{ line }}{% endfor %}</p>
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """A sentence, a table, a plot; None where backbones weren't compared."""
    board = report.leaderboard
    if board is None:
        return None
    margin, choice = f"{100 * board['margin']:g}", board["choice"]
    found = sorted(board["backbones"].items(), key=lambda one: -one[1]["accuracy"])
    rows = [(name, _cells(row, say, board["margin"])) for name, row in found]
    num = f"{found[0][1]['num']:,}"
    points = [(name, row["ms_per_image"], row["accuracy"]) for name, row in found]
    return {
        "sentence": _sentence(board, say, margin, num),
        "columns": [label for label, _ in rows[0][1]],
        "rows": rows,
        "svg": front(points, board["front"], title=say("plot"), x_label=say("axis"), y_format=percent, chosen=choice),
        "note": say("note", num=num, choice=choice),
        "licences": [
            say("licence", name=name, text=text) for name, row in found if (text := caution(row["licence"])) is not None
        ],
    }


def _cells(row: dict[str, Any], say: Say, limit: float) -> list[tuple[str, str]]:
    low, high = row["behind_best_interval"]
    spread = " – ".join(f"{100 * side:.1f}" for side in row["accuracy_interval"])
    enough = "yes" if row["not_worse"] else "no" if low > limit else "unsure"
    return [
        (say("accuracy"), f"{percent(row['accuracy'])} ({spread})"),
        (say("behind"), f"{100 * row['behind_best']:.1f} ({100 * low:.1f} – {100 * high:.1f})"),
        (say("enough", margin=f"{100 * limit:g}"), say(enough)),
        (say("ms"), f"{row['ms_per_image']:.1f} ({row['decode_ms']:.1f})"),
        (say("size"), size(row["bytes"])),
    ]


def _sentence(board: dict[str, Any], say: Say, margin: str, num: str) -> str:
    best, choice = board["best"], board["choice"]
    taken = board["backbones"][choice]
    if best == choice:
        return say("best", choice=choice, num=num, margin=margin)
    low, high = (f"{100 * side:.1f}" for side in taken["behind_best_interval"])
    ratio = board["backbones"][best]["ms_per_image"] / taken["ms_per_image"]
    behind = f"{100 * taken['behind_best']:.1f}"
    more = {"ratio": f"{ratio:.1f}", "behind": behind, "low": low, "high": high}
    return say("cheaper", choice=choice, best=best, margin=margin, **more)
