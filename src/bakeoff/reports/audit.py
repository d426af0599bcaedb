"""An audit as users ask for it, and as one HTML file: what was found, kind by kind, with the images inside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.data.audit import Audit, Counter, Finding, Kind, kinds
from bakeoff.data.audit import audit as examine
from bakeoff.data.labels import counts as counts_of
from bakeoff.data.labels import words as label_words
from bakeoff.drawing.thumbnail import uri
from bakeoff.errors import BakeoffError
from bakeoff.given import held
from bakeoff.protocols import LabelRule
from bakeoff.reports.page import page, section, written
from bakeoff.texts import catalogue
from bakeoff.training.probe.out_of_fold import judge
from bakeoff.workers.cluster import check as check_cluster
from bakeoff.workers.progress import counter, live

SHOWN = 60  # images of a kind; further ones are named in the list
LISTED = 2000  # lines of a kind

TEXT = {
    "en": {
        "report": "Bakeoff audit",
        "overview": "Overview",
        "nothing": "Nothing was found that is wrong.",
        "found": "{num} findings in {total} files.",
        "left": "{num} files can't be trained on: training stops and names them, or leaves them out with "
        "--bad-files exclude. Nothing on disk was changed.",
        "clean": "Every file can be trained on. Nothing on disk was changed.",
        "kind": "kind",
        "count": "findings",
        "means": "what it means",
        "classes": "Classes",
        "all": "all files",
        "more": "{num} more are in the output of --json.",
        "list": "as a list",
        "is": "is {name}",
        "copy": "copy",
        "original": "original",
        "no_picture": "no image",
        "about": "about a class",
    },
    "zh": {
        "report": "Bakeoff 数据检查",
        "overview": "概览",
        "nothing": "未发现任何问题。",
        "found": "在 {total} 个文件中发现 {num} 处问题。",
        "left": "{num} 个文件无法用于训练：训练会停止并列出它们，或用 --bad-files exclude 将其排除。"
        "磁盘上的内容没有任何改动。",
        "clean": "所有文件都可用于训练。磁盘上的内容没有任何改动。",
        "kind": "种类",
        "count": "数量",
        "means": "含义",
        "classes": "类别",
        "all": "全部文件",
        "more": "另有 {num} 条，见 --json 的输出。",
        "list": "列表",
        "is": "标为 {name}",
        "copy": "副本",
        "original": "原图",
        "no_picture": "无图片",
        "about": "关于类别",
    },
}

TEMPLATE = """
{% if items %}
<ul class="wrong">
{% for item in items %}
<li>
{% for image, tiny, name in item.images %}
{% if image %}<img src="{{ image }}" alt="{{ name }}"{% if tiny %} class="tiny"{% endif %}>
{% else %}<span class="missing">{{ t('no_picture') }}</span>{% endif %}
{% endfor %}
{% if item.truth %}<div class="truth">{{ t('is', name=item.truth) }}</div>{% endif %}
<div class="said">{{ item.detail }}</div>
<div class="file">{{ item.path }}</div>
</li>
{% endfor %}
</ul>
{% endif %}
{% if rows %}
{% if items %}<details><summary>{{ t('list') }}</summary>{% endif %}
<div class="scroll"><table class="stack"><tbody>
{% for path, detail in rows %}
<tr><th scope="row">{{ path }}</th><td class="detail">{{ detail }}</td></tr>
{% endfor %}
</tbody></table></div>
{% if more %}<p class="note">{{ t('more', num=more) }}</p>{% endif %}
{% if items %}</details>{% endif %}
{% endif %}
"""

OVERVIEW = """
<p class="verdict">{{ sentence }}</p>
<p class="note">{{ left }}</p>
{% if counts %}
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('kind') }}</th><th class="number">{{ t('count') }}</th><th>{{ t('means') }}</th></tr></thead>
<tbody>
{% for kind, count in counts.items() %}
<tr><th scope="row"><a href="#{{ kind }}">{{ kind }}</a></th>
<td class="number" data-label="{{ t('count') }}">{{ count }}</td>
<td class="detail">{{ means(kind) }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
"""

CLASSES = """
<div class="scroll"><table class="stack">
<thead><tr><th>{{ t('class') }}</th>{% for name in splits %}<th class="number">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, counts in rows %}
<tr><th scope="row">{{ name }}</th>
{% for split, count in counts %}<td class="number" data-label="{{ split }}">{{ count }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
"""


@held
@live("progress", lambda listen: lambda part: counter(listen, part))
def audit(
    data: str | os.PathLike[str],
    *,
    suspects: bool = True,
    labels: LabelRule | None = None,
    follow_links: bool = False,
    threads: int | None = None,
    cluster: str | None = None,
    progress: Counter | None = None,
    quiet: bool = False,
    report: str | os.PathLike[str] | None = None,
    lang: str = "en",
) -> Audit:
    """What can't be trusted in a data set, as `bakeoff data audit` finds it: every file looked at, nothing changed.

    Args:
        data: as for `read_data`.
        suspects: look for wrong labels, too; that takes the longest.
        labels: how a list says that images have several labels.
        follow_links: symbolic links are the files that they lead to.
        threads: all cores if left out.
        cluster: of Ray, as for `train`: what labels are judged by is computed by its CPUs.
        progress: from the name of a part of the work to what is called with (done, total); None: a bar.
        quiet: no bar.
        report: an HTML page to write, with the images.
        lang: of the page: en or zh.

    Raises:
        DataError: there is nothing to look at.
        UsageError: an unknown language, a page that can't be written, or no such cluster.
    """
    catalogue.check(lang)
    check_cluster(cluster)
    given = {} if progress is None else {"counter": progress}
    judged = partial(judge, where=cluster) if suspects else None
    found = examine(data, judge=judged, labels=labels, follow_links=follow_links, workers=threads, **given)
    if report is not None:
        write(found, report, lang=lang)
    return found


def write(audit: Audit, target: str | os.PathLike[str], *, lang: str = "en") -> Path:
    """Write the page of an audit; an older file is replaced.

    Raises:
        UsageError: an unknown language, or a file that can't be written.
    """
    catalogue.check(lang)
    return written(render(audit, lang), Path(target))


def render(audit: Audit, lang: str) -> str:
    """The page as HTML."""
    from bakeoff.version import __version__

    say = catalogue.Say(lang, TEXT)
    parts = [("overview", say("overview"), OVERVIEW, _overview(audit, say))]
    for kind in kinds():
        found = [finding for finding in audit.findings if finding.kind == kind.name]
        if found:
            parts.append((kind.name, f"{kind.name} ({len(found)})", TEMPLATE, _kind(audit, kind, found, say)))
    parts.append(("classes", say("classes"), CLASSES, _classes(audit, say)))
    sections = [section(name, title, text, say, **values) for name, title, text, values in parts]
    return page(say, sections, data=Path(audit.path).name or str(audit.path), version=__version__)


def _overview(audit: Audit, say: catalogue.Say) -> dict[str, Any]:
    found, lost = len(audit.findings), len(audit.excluded)
    sentence = say("found", num=f"{found:,}", total=f"{audit.num:,}") if found else say("nothing")
    return {
        "sentence": sentence,
        "left": say("left", num=f"{lost:,}") if lost else say("clean"),
        "counts": audit.counts,
        "means": catalogue.Say(
            say.language, {say.language: {kind.name: getattr(kind, say.language) for kind in kinds()}}
        ),
    }


def _kind(audit: Audit, kind: Kind, found: list[Finding], say: catalogue.Say) -> dict[str, Any]:
    items = list(_items(audit, found[:SHOWN])) if kind.imaged else []
    rows = [(finding.path or say("about"), finding.detail) for finding in found[:LISTED]]
    return {
        "items": items,
        "rows": rows if len(found) > len(items) or not items else [],
        "more": len(found) - len(rows),
    }


def _items(audit: Audit, found: list[Finding]) -> Iterator[dict[str, Any]]:
    table = audit.table
    for finding in found:
        images = [(*thumbnail(audit, row), str(table.paths[row])) for row in finding.rows]
        truth = label_words(table.labels[finding.rows[0]], table.classes) if finding.rows else ""
        yield {"images": images, "truth": truth, "detail": finding.detail, "path": finding.path}


def _classes(audit: Audit, say: catalogue.Say) -> dict[str, Any]:
    table = audit.table
    codes = [code for code in (0, 1, 2) if (table.split == code).any()]
    splits = [say(("train", "validation", "test")[code]) for code in codes] or [say("all")]
    masks = [table.split == code for code in codes] or [np.ones(len(table.labels), bool)]
    counts = [counts_of(table.labels[mask], len(table.classes)) for mask in masks]
    rows = [
        (name, [(split, f"{count[label]:,}") for split, count in zip(splits, counts, strict=True)])
        for label, name in enumerate(table.classes)
    ]
    return {"splits": splits, "rows": rows}


def thumbnail(audit: Audit, row: int) -> tuple[str | None, bool]:
    """(data URI, whether it is small enough for its pixels to be seen); None where it can't be read."""
    from PIL import Image

    from bakeoff.preprocessing import decode

    table = audit.table
    try:
        if table.pixels is not None:
            image = Image.fromarray(np.squeeze(table.pixels[row]))
        elif table.store is not None:
            image = decode(table.store.read(row))
        elif str(table.paths[row]) in table.links:
            return None, False
        else:
            image = decode(Path(str(table.root)) / str(table.paths[row]))
    except (BakeoffError, OSError, ValueError, TypeError, MemoryError):
        return None, False
    return uri(image)
