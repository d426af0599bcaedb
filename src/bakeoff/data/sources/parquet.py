"""Parquet: a file, or a folder of them, with the columns of a list (`table`), or with the images themselves in one.

Images in a column are bytes, or structs of `bytes` and `path` as Hugging Face writes them; they are written to the
cache once. The split is a column, or the beginning of the file's name (`train-00000-of-00001.parquet`).

One cell may stand for any number of rows: a file of 300 KB held a billion. So rows and bytes are held to its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bakeoff.data.made import made_once
from bakeoff.data.sources._cells import text, words
from bakeoff.data.sources._rows import NO_RULE, Columns, Row, columns_of, labels_of, table_of
from bakeoff.data.sources._structure import split_code
from bakeoff.errors import DataError, MissingDependencyError
from bakeoff.files import growth
from bakeoff.protocols import LabelRule, Table
from bakeoff.system import address_space

PRIORITY = 12
FREE_ROWS = 1_000_000  # and one for each byte of a file
AT_ONCE = 256  # rows
DAMAGE = (OSError, ValueError, KeyError, RuntimeError, MemoryError)
HELD = 2 << 30  # bytes of rows at once, should all cells be as large as the largest can be


def accepts(path: Path) -> bool:
    """A file named .parquet, or a folder that holds some (and no folders)."""
    if path.is_dir():
        return bool(_files(path)) and not any(entry.is_dir() for entry in path.iterdir() if entry.name[0] != ".")
    return path.suffix.lower() == ".parquet" and path.is_file()


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def read(path: Path, *, labels: LabelRule = NO_RULE, strict: bool = True) -> Table:
    """The table; if not `strict`, whatever is wrong with the classes.

    Raises:
        MissingDependencyError: pyarrow isn't installed.
        DataError: no Parquet, columns missing, rows incomplete.
    """
    files = _files(path)
    try:
        import pyarrow.parquet as library
    except ImportError:
        raise MissingDependencyError("pyarrow", "sources", "reading Parquet") from None
    try:
        schema = library.read_schema(files[0])
        columns = columns_of(path, schema.names, labels)
        kind = schema.field(columns.path).type
        inside = str(kind).startswith(("struct", "binary", "large_binary"))
        names = columns.classes or _class_names(schema, columns.label or "")
        if not inside:
            rows = [row for file in files for row in _rows(library, file, columns, names)]
            unused, certain = columns.unused(path, schema.names), bool(labels)
            return table_of(files[0], rows, strict=strict, columns=columns.classes, certain=certain, unused=unused)
        one_each = bool(columns.classes) and not labels and _one_each(library, files, columns)
        make = partial(_write, library, files, columns, names, one_each)
        place = made_once("parquet", files, make, *([repr(labels)] if labels else []))
        from bakeoff.data.sources import table

        found = table.read(place / "index.jsonl", strict=strict)
        return replace(found, unused=(*found.unused, *columns.unused(path, schema.names)))
    except DAMAGE as error:
        raise _unreadable(path, error) from None


def _class_names(schema: Any, label: str) -> tuple[str, ...]:
    """Names that Hugging Face keeps in the metadata; none where there are none."""
    import json

    try:
        feature = json.loads(schema.metadata[b"huggingface"])["info"]["features"][label]
        named = feature if "names" in feature else feature["feature"]  # a sequence of class labels
        return tuple(str(name) for name in named["names"])
    except (TypeError, KeyError, ValueError):
        return ()


def _split_of(file: Path) -> str:
    word = file.stem.split("-")[0].casefold()
    return word if split_code(word) is not None else ""


def record_batches(library: Any, file: Path, names: list[str], rows: int = 0) -> Iterator[Any]:
    """The rows as batches of Arrow, with these columns.

    Args:
        rows: in a batch; 0: as many as are safe should all cells be as large as the largest can be.

    Raises:
        DataError: it grows beyond what its size explains, or its pages aren't what they say.
    """
    try:
        yield from _batches(library, file, names, rows)
    except DAMAGE as error:  # where a copy is written, they'd be its
        raise _unreadable(file, error) from None


def _listed(library: Any, file: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    """The rows, with these columns."""
    for batch in record_batches(library, file, names):
        try:
            rows = batch.to_pylist()
        except DAMAGE as error:
            raise _unreadable(file, error) from None
        yield from rows


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: no Parquet that can be read ({(str(error).splitlines() or [''])[0][:80]}).")


def _batches(library: Any, file: Path, names: list[str], rows: int) -> Iterator[Any]:
    opened = library.ParquetFile(file, pre_buffer=False)  # which would hold a whole column of bytes
    about, most, given = opened.metadata, growth(file), 0
    if about.num_rows > FREE_ROWS + file.stat().st_size:
        raise DataError(f"{file}: {about.num_rows:,} rows, more than its size explains: a bomb.")
    groups = (about.row_group(place) for place in range(about.num_row_groups))
    sizes = [sum(one.column(place).total_uncompressed_size for place in range(one.num_columns)) for one in groups]
    if sum(sizes) <= most:
        at_once = rows or min(AT_ONCE, HELD // max([1, *sizes]) or 1)
        batches = opened.iter_batches(batch_size=at_once, columns=names)
        while (batch := _next(batches, most)) is not None:
            given += batch.nbytes
            if given > most:
                break
            yield batch
    if max(given, sum(sizes)) > most:
        raise DataError(f"{file}: grows beyond {most:,} bytes: a bomb.")


def _next(batches: Iterator[Any], most: int) -> Any:
    """The next of them, in the memory that the footer explains: the head of a page may say 2 GiB of a few bytes."""
    with address_space(most + HELD // 2):
        return next(batches, None)


def _cells(library: Any, file: Path, columns: Columns, names: tuple[str, ...]) -> Iterator[tuple[Any, Row]]:
    for number, row in enumerate(_listed(library, file, columns.names), 1):
        split = columns.side(file, number, row) or _split_of(file)
        group = words(row[columns.group]) if columns.group else ""
        yield row[columns.path], Row("", _labels(file, number, columns, row, names), split, group)


def _labels(
    file: Path, number: int, columns: Columns, row: dict[str, Any], names: tuple[str, ...]
) -> str | tuple[str, ...]:
    """The label of a row, or its labels; numbers of Hugging Face's classes by their names."""
    if columns.label is None:
        return columns.labels(file, number, row)

    def named(value: Any) -> Any:
        return (
            names[value]
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names)
            else value
        )

    value = row[columns.label]
    given = [named(each) for each in value] if isinstance(value, list) else named(value)
    return labels_of(file, number, given, columns.separator)


def _rows(library: Any, file: Path, columns: Columns, names: tuple[str, ...]) -> Iterator[Row]:
    for cell, row in _cells(library, file, columns, names):
        yield row._replace(path=text(cell))


def _one_each(library: Any, files: list[Path], columns: Columns) -> bool:
    """Whether each row of a column a class has exactly one 1: the images themselves are not read."""
    for file in files:
        rows = _listed(library, file, list(columns.classes))
        if any(len(columns.labels(file, number, row)) != 1 for number, row in enumerate(rows, 1)):
            return False
    return True


def _write(
    library: Any, files: list[Path], columns: Columns, names: tuple[str, ...], one_each: bool, target: Path
) -> None:
    from bakeoff.data.sources._writer import Writer

    with Writer(target, names) as writer:
        for file in files:
            for cell, row in _cells(library, file, columns, names):
                content = cell.get("bytes") if isinstance(cell, dict) else cell
                if content is None:
                    raise DataError(f"{file}: an image without its bytes.\nExpected bytes, or paths as text.")
                label = row.label[0] if one_each else row.label
                writer.add(bytes(content), label, row.split, row.group)
