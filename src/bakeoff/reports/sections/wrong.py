"""wrong: the images that were judged most wrongly: often a label is wrong, not the classifier."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.data.labels import words
from bakeoff.drawing.thumbnail import uri
from bakeoff.errors import BakeoffError
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.reports.source import Report, RunView
from bakeoff.texts.catalogue import Say, framework, percent

ORDER = 60
SHOWN = 12

TEXT = {
    "en": {
        "title": "The most wrong images",
        "note": "Those whose true class was given the smallest probability. Look at them first: a wrong label, a "
        "image cut off or two things in one image are more often the reason than the classifier.",
        "gone": "The images themselves are no longer where they were read from; these are their names.",
        "none": "Every image was judged rightly. These are the ones that it was least sure of.",
        "is": "is {name}",
        "said": "{framework}: {name}, {share}",
        "said_multilabel": "{framework}: {name}",
        "note_multilabel": "Those whose labels the model finds least likely, all together. Look at them first: a label "
        "that was forgotten is more often the reason than the classifier.",
        "count": "{framework} judged {wrong} of {num} images wrongly.",
        "differ": "On {count} of {num} images the frameworks give different answers.",
        "no_picture": "no image",
    },
    "zh": {
        "title": "错得最离谱的图片",
        "note": "这些图片的真实类别得到的概率最小。请先看它们："
        "原因往往是标签标错、图片残缺或一张图里有两样东西，而不是分类器。",
        "gone": "图片已不在原来的位置，这里只列出文件名。",
        "none": "所有图片都判断正确。以下是把握最小的图片。",
        "is": "实际是 {name}",
        "said": "{framework}：{name}，{share}",
        "said_multilabel": "{framework}：{name}",
        "note_multilabel": "按模型判断，其全部标签最不可能成立的图片。请先看它们：原因往往是漏标，而不是分类器。",
        "count": "{framework} 在 {num} 张图片中判断错误 {wrong} 张。",
        "differ": "在 {num} 张图片中，各框架对 {count} 张给出了不同的答案。",
        "no_picture": "无图片",
    },
}

TEMPLATE = """
<p>{{ count }}{% if differ %} {{ differ }}{% endif %}</p>
{% if items %}
<p class="note">{% if note %}{{ t(note) }}{% endif %}{% if gone %} {{ t('gone') }}{% endif %}</p>
<ul class="wrong">
{% for item in items %}
<li>
{% if item.image %}<img src="{{ item.image }}" alt="{{ item.path }}"{% if item.tiny %} class="tiny"{% endif %}>
{% else %}<span class="missing">{{ t('no_picture') }}</span>{% endif %}
<div class="truth">{{ t('is', name=item.truth) }}</div>
{% for place, text in item.said %}<div class="said s{{ place }}">{{ text }}</div>{% endfor %}
{% if item.path %}<div class="file">{{ item.path }}</div>{% endif %}
</li>
{% endfor %}
</ul>
{% endif %}
"""


def context(report: Report, say: Say) -> dict[str, Any] | None:
    """Thumbnails with what they are and what each framework took them for."""
    runs = [run for run, _ in report.scored]
    if not runs:
        return None
    found = judged(runs)
    wrong = found.wrong.any(axis=0)
    worst = np.flatnonzero(wrong if wrong.any() else ~wrong)  # where nothing is wrong, the least sure
    worst = worst[np.argsort(found.true[worst], kind="stable")]
    images = Thumbnails(runs[0])
    items = [_item(int(row), runs, found, images, say) for row in worst[:SHOWN]]
    num = found.wrong.shape[1]
    counts = [
        say("count", framework=framework(run.name), wrong=int(wrong.sum()), num=num)
        for run, wrong in zip(runs, found.wrong, strict=True)
    ]
    return {
        "items": items,
        "count": " ".join(counts) if wrong.any() else say("none"),
        "differ": say("differ", count=found.differing, num=num) if len(runs) > 1 else "",
        "gone": bool(items) and not any(item["image"] for item in items),
        "note": ("note_multilabel" if report.multilabel else "note") if wrong.any() else "",
    }


@dataclass(frozen=True)
class Judged:
    """What the runs say of the same images.

    Attributes:
        wrong: bool, (runs, N).
        true: (N,), how likely the true labels are, the mean over the runs; of several labels, the log of that.
        differing: how many images the runs answer differently.
        truth: from an image to its label, or labels.
        said: from run and image to the answer, and its probability; None of several labels.
    """

    wrong: Any
    true: Any
    differing: int
    truth: Callable[[int], str]
    guesses: Callable[[int, int], tuple[str, float | None]]


def judged(runs: list[RunView]) -> Judged:
    """The answers of the runs that judged the same images; the others are left out of `runs`."""
    first = runs[0].predictions
    assert first is not None
    runs[:] = [
        run for run in runs if run.predictions is not None and np.array_equal(run.predictions.records, first.records)
    ]
    same = [run.predictions for run in runs if run.predictions is not None]
    classes, labels, kind = runs[0].classes, first.labels, of_predictions(first)
    limits = [getattr(run.score, "threshold", 0.5) for run in runs]
    guesses = np.stack([kind.answers(found.logits, limit) for found, limit in zip(same, limits, strict=True)])
    shares = np.stack([kind.probabilities(found.logits) for found in same])

    def answer(place: int, row: int) -> tuple[str, float | None]:
        own = guesses[place, row]
        return words(own, classes), None if kind.multilabel else float(shares[place, row, own])

    return Judged(
        np.stack([~kind.right(own, labels) for own in guesses]),
        np.stack([kind.likelihood(found.logits, labels) for found in same]).mean(axis=0),
        int((guesses != guesses[0]).reshape(len(guesses), len(labels), -1).any(axis=(0, 2)).sum()),
        lambda row: words(labels[row], classes),
        answer,
    )


def _item(row: int, runs: list[RunView], judged: Judged, images: Thumbnails, say: Say) -> dict[str, Any]:
    texts = []
    for place, run in enumerate(runs):
        name, share = judged.guesses(place, row)
        key = "said_multilabel" if share is None else "said"
        texts.append((place, say(key, framework=framework(run.name), name=name, share=percent(share))))
    path = "" if runs[0].paths is None else str(runs[0].paths[row])
    image, tiny = images.of(path)
    return {"path": path, "truth": judged.truth(row), "said": texts, "image": image, "tiny": tiny}


class Thumbnails:
    """Small images of the data as data URIs, as long as the data is still there."""

    def __init__(self, run: RunView) -> None:
        self._table: Any = None
        self._known = run.contents
        if run.paths is None:
            return
        from bakeoff.data.reader import read_table

        try:  # the paths alone are needed
            self._table = read_table(Path(run.facts.data), lenient=True, follow_links=True)
        except (BakeoffError, OSError):
            return
        self._rows = {str(path): row for row, path in enumerate(self._table.paths)}

    def of(self, path: str) -> tuple[str | None, bool]:
        """(data URI, whether it is small enough for its pixels to be seen); None where it can't be read."""
        image = self.image(path)
        return (None, False) if image is None else uri(image)

    def image(self, path: str) -> Any:
        """The Pillow image; None where it can't be read any more, or is another one than was judged."""
        row = None if self._table is None else self._rows.get(path)
        if row is None:
            return None
        from PIL import Image

        from bakeoff.data.hashing import verified
        from bakeoff.preprocessing import decode

        try:
            if self._table.pixels is not None:
                array = self._table.pixels[row]
                return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array)
            known = self._known.get(path)
            if (store := self._table.store) is not None:
                return decode(store.read(row)) if known in (None, store.sha256[row].tobytes()) else None
            root = str(self._table.root)
            return decode(verified(root, path, known) if known else os.path.join(root, path))
        except (BakeoffError, OSError, ValueError, TypeError):
            return None
