"""A list of images: CSV (`.csv`), tab-separated (`.tsv`) or JSON Lines (`.jsonl`, `.ndjson`).

    path,label,split,group
    photos/1.jpg,cat,train,owner-1

Columns `path` and `label`, and where there are, `split` (train, validation, test) and `group`: images of one group,
as those of one patient, stay on one side of a drawn split. Common other names are understood (`file`, `class`,
`subset`, `patient`, ...). Several labels of an image are a list in JSON Lines, words with a stated separator between
them (`data.label_separator`), or a column a class of 0 and 1 in the place of `label`. Paths are relative to the list,
or absolute. A file `classes.txt` beside the list, a name a line, says in which order the classes come.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from bakeoff.data.sources._rows import NO_RULE, Columns, Row, columns_of, table_of, text
from bakeoff.errors import DataError
from bakeoff.protocols import LabelRule, Table

PRIORITY = 10
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")


def accepts(path: Path) -> bool:
    """Any file with one of the suffixes."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read(path: Path, *, labels: LabelRule = NO_RULE, strict: bool = True) -> Table:
    """The table of a list; if not `strict`, whatever is wrong with the classes.

    Raises:
        DataError: columns are missing, a row is incomplete, classes are too few or clash.
    """
    try:
        content = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None
    json_lines = path.suffix.lower() in (".jsonl", ".ndjson")
    columns, rows = _json(path, content, labels) if json_lines else _csv(path, content, labels)
    return table_of(path, rows, strict=strict, columns=columns.classes, certain=bool(labels))


def _row(path: Path, number: int, columns: Columns, row: dict[str, Any]) -> Row:
    cells = [text(row.get(name)) if name else "" for name in (columns.path, columns.split, columns.group)]
    return Row(cells[0], columns.labels(path, number, row), cells[1], cells[2])


def _csv(path: Path, content: str, rule: LabelRule) -> tuple[Columns, list[Row]]:
    first = content.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count) if first else ","
    try:
        reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
        columns = columns_of(path, reader.fieldnames or (), rule)
        return columns, [_row(path, number, columns, row) for number, row in enumerate(reader, 1)]
    except csv.Error as error:
        raise DataError(
            f"{path}: no table ({error}).\nExpected a header with path and label, and a row an image."
        ) from None


def _json(path: Path, content: str, rule: LabelRule) -> tuple[Columns, list[Row]]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number} is no JSON object.\nExpected one a line, with path and label.")
        rows.append(row)
    if not rows:
        return Columns("path", "label", None, None), []
    columns = columns_of(path, tuple(rows[0]), rule)
    return columns, [_row(path, number, columns, row) for number, row in enumerate(rows, 1)]
