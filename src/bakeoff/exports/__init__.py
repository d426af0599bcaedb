"""From a bundle to a file in another library's own format; one format is one file of `formats/`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from bakeoff import bundle as bundles
from bakeoff import registry, runtimes
from bakeoff.bundle import Bundle
from bakeoff.errors import DataError, UsageError
from bakeoff.files import fresh, put, room_for
from bakeoff.given import held

FORMATS = "bakeoff.exports.formats"
OTHERS = (".h5", ".pb", ".pt", ".pth")  # suffixes of models that no format writes


def names() -> tuple[str, ...]:
    """The formats that have a file."""
    return registry.names(FORMATS)


@held
def export(bundle: Bundle | str | Path, to: str, output: str | Path | None = None, *, force: bool = False) -> Path:
    """Write a model in another format; it carries the preprocessing and the class names, so that `predict` runs it.

    Args:
        bundle: a bundle, or the path of one or of a run folder.
        to: a file of `exports.formats`, as `onnx`.
        output: the file; an existing folder gets `model` with the format's extension; None: in the working folder.
        force: replace what is there.

    Returns:
        What was written.

    Raises:
        UsageError: an unknown format, an output whose extension is another's, or one that is there already.
        MissingDependencyError: the format's library is not installed.
        DataError: the output can't be written; what was there before is whole.
    """
    form = registry.load(FORMATS, to, what="format")
    chosen = bundles.read(bundle) if isinstance(bundle, str | Path) else bundle
    target = _target(Path("." if output is None else output), form, to)
    if target.exists() and not force:
        raise UsageError(f"{target}: is there already. Choose another --output, or replace it: --force")
    try:
        with room_for(target), fresh(target) as folder:
            form.write(chosen, folder / target.name)
            for made in sorted(folder.iterdir(), key=lambda made: made.name == target.name):  # the model last
                put(made, target.with_name(made.name))
    except OSError as error:
        raise DataError(f"{target}: {error.strerror or error}. Choose another --output, or make room.") from None
    return target


def _target(output: Path, form: ModuleType, to: str) -> Path:
    extension = form.EXTENSION
    if output.is_dir() and (extension or runtimes.recognise(output) is None):
        return output / getattr(form, "FOLDER", f"model{extension}")
    if extension and output.suffix != extension:
        if output.suffix in {*OTHERS, *(registry.load(FORMATS, name).EXTENSION for name in names())} - {""}:
            raise UsageError(f"--output {output}: the format {to!r} writes {extension} files, not {output.suffix}.")
        return output.with_name(output.name + extension)
    return output
