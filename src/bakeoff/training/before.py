"""The audit before a training: what `bakeoff data audit` would say, as far as it costs next to nothing here.

Labels aren't judged, and near copies are looked for where the pixels are in memory already. The findings go to
`audit.json` in the run, a line of them to the log.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.data import Data
from bakeoff.data.assignment import draws_anything
from bakeoff.data.audit import Finding, Subject, examined
from bakeoff.data.audits.bad_file import kind_of
from bakeoff.data.facts import file_facts
from bakeoff.data.images import KEPT_BYTES
from bakeoff.data.perceptual_hash import SIDE, PerceptualHashes, dim, perceptual_hashes_of
from bakeoff.data.reader import perceptual_hashes_at
from bakeoff.shown import shell
from bakeoff.training.context import Context

FEW = 2000  # images that are decoded once more to be looked at
SAID = "not_used"  # in full, as the images were read


def audit_before(context: Context) -> tuple[Finding, ...]:
    """Findings of the data of a training, written to the run and told in a line."""
    data = context.data
    table = data.images.table
    facts = file_facts(table, context.workers, None)
    perceptual = _perceptual_hashes(context)
    subject = Subject(table, facts, {}, lambda part: lambda done, total: None, context.workers, None, perceptual)
    thumbs = _thumbnails(context, perceptual)
    subject.dim = () if thumbs is None else tuple(np.flatnonzero(dim(thumbs)).tolist())
    excluded = tuple(Finding(kind_of(reason), path, reason) for path, reason in data.excluded)
    findings = (*excluded, *examined(subject)[0])
    context.run.json(
        "audit.json",
        {
            "num": len(data) + len(data.excluded),
            "classes": list(data.classes),
            "findings": [finding.to_json() for finding in findings],
            "excluded": [path for path, _ in data.excluded],
        },
    )
    if any(finding.kind != SAID for finding in findings):
        context.reporter.log(_line(findings, data))
    return findings


def _line(findings: tuple[Finding, ...], data: Data) -> str:
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.kind] = counts.get(finding.kind, 0) + (finding.kind != SAID)
    named = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    return f"audit: {named}; see audit.json in the run, or: bakeoff data audit {shell(data.path)}"


def _thumbnails(context: Context, perceptual: PerceptualHashes | None) -> NDArray[np.uint8] | None:
    """What there is of the images in memory; of large ones every fourth pixel. None where nothing is."""
    data, images = context.data, context.data.images
    if images.table.pixels is not None:
        return np.asarray(images.table.pixels)
    view = images.view(context.signature)
    if view.array is not None and view.ready.all():
        return view.array if max(view.array.shape[1:3]) < 4 * SIDE else view.array[:, ::4, ::4]
    drawn = draws_anything(data.manifest.split, data.rules)  # then they are known
    if perceptual is None and (len(data) <= FEW or drawn):
        every = np.arange(len(data))
        perceptual = perceptual_hashes_at(data.manifest, images, every, workers=context.workers)
    return None if perceptual is None else perceptual.grey


def _perceptual_hashes(context: Context) -> PerceptualHashes | None:
    """Perceptual hashes of the pixels that are in memory; None where they aren't, or are too small or too many."""
    data, signature = context.data, context.signature
    if data.images.shrunk.keys() >= {row.tobytes() for row in data.manifest.sha256}:
        return perceptual_hashes_at(data.manifest, data.images, np.arange(len(data)), workers=context.workers)
    height, width = signature.size
    if min(height, width) < SIDE or len(data) * height * width * signature.channels > KEPT_BYTES:
        return None
    view = data.images.view(signature)
    if view.array is None or not view.ready.all():
        return None
    array = view.array
    return perceptual_hashes_of(data.manifest.sha256, lambda row: array[row], place=None, workers=context.workers)
