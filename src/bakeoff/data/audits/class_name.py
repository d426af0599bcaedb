"""Class names that differ only by case, blanks or Unicode form: most likely one class."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.data.sources._names import clashes, difference

KINDS = (
    Kind(
        "class_name",
        130,
        "Class names that differ only by case, blanks or Unicode form: most likely one class.",
        "只有大小写、空格或 Unicode 形式不同的类别名，很可能是同一类。",
    ),
)


def find(subject: Subject) -> Iterator[Finding]:
    """One finding a pair; and one for each name with blanks around it."""
    pairs = clashes(subject.table.classes)
    for same, name in pairs:
        yield Finding("class_name", None, f"classes {same!r} and {name!r} differ only by {difference(same, name)}")
    for name in subject.table.classes:
        if name != name.strip() and not any(name in pair for pair in pairs):
            yield Finding("class_name", None, f"class {name!r} has blanks around its name")
