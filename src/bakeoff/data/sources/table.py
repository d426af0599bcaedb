"""A list of pictures: CSV (`.csv`), tab-separated (`.tsv`) or JSON Lines (`.jsonl`, `.ndjson`).

    path,label,split,group
    photos/1.jpg,cat,train,owner-1

Columns `path` and `label`, and where there are, `split` (train, validation, test) and `group`: pictures of one group,
as those of one patient, stay on one side of a drawn split. Common other names are understood (`file`, `class`,
`subset`, `patient`, ...). Paths are relative to the list, or absolute. A file `classes.txt` beside the list, a name a
line, says in which order the classes come.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from bakeoff.data.sources._rows import Row, columns_of, table_of, text
from bakeoff.errors import DataError
from bakeoff.protocols import Table

PRIORITY = 10
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")


def accepts(path: Path) -> bool:
    """Any file with one of the suffixes."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read(path: Path) -> Table:
    """The table of a list.

    Raises:
        DataError: columns are missing, a row is incomplete, classes are too few or clash.
    """
    return table_of(path, _rows(path))


def scan(path: Path) -> Table:
    """As `read`, whatever is wrong with the classes."""
    return table_of(path, _rows(path), strict=False)


def _rows(path: Path) -> Iterator[Row]:
    try:
        content = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None
    return _json(path, content) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv(path, content)


def _csv(path: Path, content: str) -> Iterator[Row]:
    first = content.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count) if first else ","
    try:
        reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
        columns = columns_of(path, reader.fieldnames or ())
        for row in reader:
            yield Row(
                row[columns.path] or "",
                (row[columns.label] or "").strip(),
                row[columns.split] or "" if columns.split else "",
                row[columns.group] or "" if columns.group else "",
            )
    except csv.Error as error:
        raise DataError(
            f"{path}: no table ({error}).\nExpected a header with path and label, and a row a picture."
        ) from None


def _json(path: Path, content: str) -> Iterator[Row]:
    columns = None
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number} is no JSON object.\nExpected one a line, with path and label.")
        columns = columns or columns_of(path, tuple(row))
        cells = [text(row.get(name)) if name else "" for name in columns]
        yield Row(*cells)
