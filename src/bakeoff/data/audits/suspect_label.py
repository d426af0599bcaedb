"""Labels that are likely wrong: images that everything else in the data says are of another class.

Confident learning (C. Northcutt, L. Jiang, I. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
JAIR 70, 2021) calls a label wrong where the out-of-fold probability of another class reaches that class's own average,
which names hard images, too. Here more is asked for: the given class is all but excluded, the other is likely, and
the image's nearest neighbours agree. Measured on 3,781 photos of clothes and samples of it, with 116 labels changed
at random: 55 are named, and none of the unchanged.

Where images have several labels, each class is a question of its own: one that is there is named where it is all but
excluded, one that is missing where it is all but certain (a forgotten label is a common thing, and no contradiction).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bakeoff.data.audit import Finding, Judged, Kind, Subject
from bakeoff.data.labels import multilabel

KINDS = (
    Kind(
        "suspect_label",
        140,
        "Labels that are likely wrong, by models and neighbours that did not know the image.",
        "很可能标错的标签：没见过该图片的模型和它的近邻都这样认为。",
        imaged=True,
    ),
)
OWN = 0.02  # the most probability that the given class may have
OTHER = 0.6  # the least that the other has to have
VOTES = 0.8  # of the neighbours, for the other; at most `OWN_VOTES` for the given class
OWN_VOTES = 0.1
MISSING = 0.98  # the least probability of a label that should have been there, and of its votes


def find(subject: Subject) -> Iterator[Finding]:
    """One finding an image, the surest first."""
    if subject.judge is None:
        return
    judged = subject.judge(subject, subject.counter("features"))
    if judged is None:
        return
    classes, labels = subject.table.classes, subject.manifest.labels
    if multilabel(labels):
        yield from _each(subject, judged)
        return
    every, other = np.arange(len(labels)), judged.probabilities.argmax(1)
    own, sure = judged.probabilities[every, labels], judged.probabilities[every, other]
    wrong = (other != labels) & (own <= OWN) & (sure >= OTHER)
    wrong &= (judged.votes[every, other] >= VOTES) & (judged.votes[every, labels] <= OWN_VOTES)
    pairs = np.unique(np.stack([subject.together, labels]), axis=1)  # one image under two labels is told already
    numbers, kinds = np.unique(pairs[0], return_counts=True)
    wrong &= np.isin(subject.together, numbers[kinds == 1])
    for place in sorted(np.flatnonzero(wrong).tolist(), key=lambda row: own[row]):
        row, name = int(subject.good[place]), classes[other[place]]
        share = f"{100 * sure[place]:.0f} %, {classes[labels[place]]!r} {100 * own[place]:.1f} %"
        yield Finding("suspect_label", str(subject.table.paths[row]), f"looks like {name!r} ({share})", (row,))


def _each(subject: Subject, judged: Judged) -> Iterator[Finding]:
    """One finding an image and class that are at odds, the surest first."""
    labels, table = subject.manifest.labels > 0, subject.table
    chances, votes = judged.probabilities, judged.votes
    wrong = labels & (chances <= OWN) & (votes <= OWN_VOTES)
    wrong |= ~labels & (chances >= MISSING) & (votes >= MISSING)
    pairs = np.unique(np.column_stack([subject.together, labels]), axis=0)  # copies that differ are told already
    numbers, kinds = np.unique(pairs[:, 0], return_counts=True)
    wrong &= np.isin(subject.together, numbers[kinds == 1])[:, None]
    odds = np.where(labels, chances, 1 - chances)
    for place, label in sorted(np.argwhere(wrong).tolist(), key=lambda pair: odds[pair[0], pair[1]]):
        row, share = int(subject.good[place]), f"{100 * chances[place, label]:.1f} %"
        what = "doesn't look like" if labels[place, label] else "looks like"
        more = "" if labels[place, label] else ", which is not among its labels"
        yield Finding(
            "suspect_label", str(table.paths[row]), f"{what} {table.classes[label]!r} ({share}){more}", (row,)
        )
