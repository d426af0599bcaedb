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

from bakeoff.data.sources._cells import decoded, text, words
from bakeoff.data.sources._rows import NO_RULE, Columns, Row, columns_of, table_of
from bakeoff.data.sources._structure import split_code
from bakeoff.errors import DataError
from bakeoff.files import content as content_of
from bakeoff.protocols import LabelRule, Table

PRIORITY = 10
LARGEST, LONGEST = 1 << 30, 1 << 20  # bytes: of a list, of a line
FILLED = 10_000_000  # cells
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
        raw = content_of(path, LARGEST)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({(error.strerror or 'I/O error').lower()}).") from None
    at = 0
    while len(raw) - at > LONGEST:
        at = raw.rfind(b"\n", at, at + LONGEST) + 1
        if not at:
            raise DataError(f"{path}: a line of more than {LONGEST:,} bytes.\nExpected a line an image.")
    content = decoded(raw, path, "surrogateescape")  # names of files may be in any encoding
    json_lines = path.suffix.lower() in (".jsonl", ".ndjson")
    names, cells = _json(path, content) if json_lines else _csv(path, content)
    known = [name for name in names if name.strip().casefold() == "fold"]
    first = next((word for row in cells for name in known if (word := words(row.get(name)))), "")
    columns = columns_of(path, names, labels, folds_are_splits=split_code(first) is not None)
    rows = [_row(path, number, columns, row) for number, row in enumerate(cells, 1)]
    unused = columns.unused(path, names)
    return table_of(path, rows, strict=strict, columns=columns.classes, certain=bool(labels), unused=unused)


def _row(path: Path, number: int, columns: Columns, row: dict[str, Any]) -> Row:
    group = words(row.get(columns.group)) if columns.group else ""
    place = text(row.get(columns.path))
    if not place.strip():
        raise DataError(f"{path}: row {number} has no path.\nMend or remove it.")
    return Row(place, columns.labels(path, number, row), columns.side(path, number, row), group)


def _csv(path: Path, content: str) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of the columns, and the rows."""
    first = content.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count) if first else ","
    try:
        reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
        names = list(reader.fieldnames or ())
        if len(names) * content.count("\n") > len(content) + FILLED:  # cells that lack are filled
            raise DataError(f"{path}: {len(names):,} columns, and most rows lack most of them.\nMend its first line.")
        rows = list(reader)
    except csv.Error as error:
        raise DataError(
            f"{path}: no table ({error}).\nExpected a header with path and label, and a row an image."
        ) from None
    long = [number for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row.get(None) or ())]  # type: ignore[call-overload]
    if long:
        cells = len(names) + len(rows[long[0] - 1][None])  # type: ignore[index]
        more = f" (and {len(long) - 1} more row{'s' * (len(long) > 2)})" if len(long) > 1 else ""
        raise DataError(
            f"{path}: row {long[0]} has {cells} cells{more}, and there are {len(names)} columns.\n"
            f"Put a label or path with {delimiter!r} in it in quotes, or name the column."
        )
    return names, rows


def _json(path: Path, content: str) -> tuple[list[str], list[dict[str, Any]]]:
    """The keys of all rows, and the rows."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number} is no JSON object.\nExpected one a line, with path and label.")
        rows.append(row)
    return list(dict.fromkeys(key for row in rows for key in row)) or ["path", "label"], rows
