"""From a bundle to a file in another library's own format; one format is one file of `formats/`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from bakeoff import bundle as bundles
from bakeoff import registry, runtimes
from bakeoff.bundle import Bundle
from bakeoff.errors import DataError, UsageError
from bakeoff.files import fresh, put, room_for

FORMATS = "bakeoff.exports.formats"
OTHERS = (".h5", ".pb", ".pt", ".pth")  # suffixes of models that no format writes


def names() -> tuple[str, ...]:
    """The formats that have a file."""
    return registry.names(FORMATS)


def export(
    bundle: Bundle | str | Path, to: str, output: str | Path | None = None, *, force: bool = False, **options: Any
) -> Path:
    """Write a model in another format; it carries the preprocessing and the class names, so that `predict` runs it.

    Args:
        bundle: a bundle, or the path of one or of a run folder.
        to: a file of `exports.formats`, as `onnx`.
        output: the file; an existing folder gets `model` with the format's extension, or the run's name where versions
            are put beside each other; None: in the working folder.
        force: replace what is there.
        options: of the format, as `model_version`: `OPTIONS` in its file.

    Returns:
        What was written.

    Raises:
        UsageError: an unknown format or option, an output whose extension is another's, or one that is there already.
        MissingDependencyError: the format's library is not installed.
        DataError: the output can't be written; what was there before is whole.
    """
    form = registry.load(FORMATS, to, what="format")
    asked = _asked(form, to, options)
    chosen = bundles.read(bundle) if isinstance(bundle, str | Path) else bundle
    target = _target(Path("." if output is None else output), form, to, bundle)
    if hasattr(form, "placed"):
        target = form.placed(target, force, asked.pop("model_version", None))
    if target.exists() and not force:
        raise UsageError(f"{target}: is there already. Choose another --output, or replace it: --force")
    try:
        with room_for(target), fresh(target) as folder:
            form.write(chosen, folder / target.name, **asked)
            for made in sorted(folder.iterdir(), key=lambda made: made.name == target.name):  # the model last
                put(made, target.with_name(made.name))
    except OSError as error:
        raise DataError(f"{target}: {error.strerror or error}. Choose another --output, or make room.") from None
    return target


def _asked(form: ModuleType, to: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given.

    Raises:
        UsageError: one is another format's.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    for name in given:
        if name not in getattr(form, "OPTIONS", ()):
            others = [one for one in names() if name in getattr(registry.load(FORMATS, one), "OPTIONS", ())]
            known = f" It is of {registry.either(others)}." if others else ""
            raise UsageError(f"--{name.replace('_', '-')}: the format {to!r} has no such option.{known}")
    return given


def _target(output: Path, form: ModuleType, to: str, source: Bundle | str | Path) -> Path:
    extension = form.EXTENSION
    if output.is_dir() and (extension or runtimes.recognise(output) is None):
        if hasattr(form, "placed") and isinstance(source, str | Path):
            return output / Path(source).resolve().name
        return output / getattr(form, "FOLDER", f"model{extension}")
    if extension and output.suffix != extension:
        if output.suffix in {*OTHERS, *(registry.load(FORMATS, name).EXTENSION for name in names())} - {""}:
            raise UsageError(f"--output {output}: the format {to!r} writes {extension} files, not {output.suffix}.")
        return output.with_name(output.name + extension)
    return output
