"""The audit before a training: what `bakeoff data audit` would say, as far as it costs next to nothing here.

Labels aren't judged, and near copies are looked for where the pixels are in memory already. The findings go to
`audit.json` in the run, a line of them to the log.
"""

from __future__ import annotations

from bakeoff.data import Data
from bakeoff.data.audit import Finding, Subject, examined
from bakeoff.data.audits.bad_file import kind_of
from bakeoff.data.images import KEPT_BYTES
from bakeoff.data.perceptual_hash import SIDE, PerceptualHashes, perceptual_hashes_of
from bakeoff.data.reader import file_facts
from bakeoff.training.context import Context

SAID = "not_used"  # in full, as the images were read


def audit_before(context: Context) -> tuple[Finding, ...]:
    """Findings of the data of a training, written to the run and told in a line."""
    data = context.data
    table = data.images.table
    facts = file_facts(table, context.workers, None)
    subject = Subject(
        table, facts, {}, lambda part: lambda done, total: None, context.workers, None, _perceptual_hashes(context)
    )
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
    return f"audit: {named}; see audit.json in the run, or: bakeoff data audit {data.path}"


def _perceptual_hashes(context: Context) -> PerceptualHashes | None:
    """Perceptual hashes of the pixels that are in memory; None where they aren't, or are too small or too many."""
    data, signature = context.data, context.signature
    height, width = signature.size
    if min(height, width) < SIDE or len(data) * height * width * signature.channels > KEPT_BYTES:
        return None
    view = data.images.view(signature)
    if view.array is None or not view.ready.all():
        return None
    array = view.array
    return perceptual_hashes_of(data.manifest.sha256, lambda row: array[row], place=None, workers=context.workers)
