"""From a bundle to a file in another library's own format; one format is one file of `formats/`; all pass a gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bakeoff import bundle as bundles
from bakeoff import registry, runtimes
from bakeoff.bundle import Bundle
from bakeoff.errors import DataError, MissingDependencyError, ParityError, UsageError
from bakeoff.files import fresh, put, remove, room_for, write_text
from bakeoff.given import held
from bakeoff.shown import to_json

if TYPE_CHECKING:
    from bakeoff.exports.gate import Gate

FORMATS = "bakeoff.exports.formats"
OTHERS = (".h5", ".pb", ".pt", ".pth")  # suffixes of models that no format writes
REPORT, GOLDEN = ".gate.json", "golden.npz"
PRECISIONS = ("float32", "float16", "bfloat16", "int8")


@dataclass(frozen=True)
class Exported:
    """What was written, and what the gate said of it."""

    path: Path
    gate: Gate


def names() -> tuple[str, ...]:
    """The formats that have a file."""
    return registry.names(FORMATS)


@held
def export(
    bundle: Bundle | str | Path, to: str, output: str | Path | None = None, *, force: bool = False, **how: Any
) -> Path:
    """What was written: `export_checked`, which has the arguments, gives what the gate said of it, too."""
    return export_checked(bundle, to, output, force=force, **how).path


@held
def export_checked(
    bundle: Bundle | str | Path,
    to: str,
    output: str | Path | None = None,
    *,
    force: bool = False,
    precision: str = "float32",
    max_loss: float | None = None,
    unchecked: bool = False,
    data: str | Path | None = None,
    exact: int | None = None,
    say: Callable[[str, int], None] | None = None,
    **options: Any,
) -> Exported:
    """Write a model in another format; it carries the preprocessing and the class names, so that `predict` runs it.

    It takes its place once the gate has let it through: a fresh process answers as the source does (`exports.gate`).

    Args:
        bundle: a bundle, or the path of one or of a run folder.
        to: a file of `exports.formats`, as `onnx`.
        output: the file; an existing folder gets `model` (or `model-int8`) with the format's extension, or the run's
            name where versions are put beside each other; None: in the working folder.
        force: replace what is there.
        precision: float32, float16 (of the weights), bfloat16 or int8, as far as the format has it.
        max_loss: points of accuracy that it may lose where the precision isn't float32; None: `gate.MAX_LOSS`.
        unchecked: keep it where the library that would run it is not installed.
        data: where the run's images are now; None: where they were.
        exact: how many of them a file in float32 is asked; None: `gate.EXACT`.
        say: told what is being done, and of how many stages.
        options: of the format, as `model_version`: `OPTIONS` in its file.

    Raises:
        UsageError: an unknown format, precision or option, an output whose extension is another's, or that is there.
        MissingDependencyError: the format's library is not installed.
        ParityError: it doesn't answer as its source does. NAME.gate.json says where; what was there before is whole.
        DataError: the output can't be written; what was there before is whole.
    """
    from bakeoff.exports._held_out import calibration, data_of
    from bakeoff.exports.gate import MAX_LOSS, too_few

    loss = MAX_LOSS if max_loss is None else max_loss
    form = registry.load(FORMATS, to, what="format")
    _check_how(form, to, precision, max_loss)
    asked = _asked(form, to, options)
    chosen = bundles.read(bundle) if isinstance(bundle, str | Path) else bundle
    extension = next((end for name, end in getattr(form, "EXTENSIONS", {}).items() if name in asked), form.EXTENSION)
    name = "model" if precision == "float32" else f"model-{precision}"
    target = _target(Path("." if output is None else output), form, to, bundle, name + extension)
    if hasattr(form, "placed"):
        target = form.placed(target, force, asked.pop("model_version", None))
    _free(form, target, force)
    run = Path(bundle) if isinstance(bundle, str | Path) else None
    images, why = data_of(run, chosen, None if data is None else Path(data))
    if chosen.unknown is not None and precision not in getattr(form, "TELLS", ()):
        chosen = replace(chosen, unknown=None)
        why += f"{'; ' if why else ''}{to} in {precision} has no place for what tells images of no class"
    more = asked if precision == "float32" else {**asked, "precision": precision}
    if precision == "int8":
        if images is not None and (few := too_few(chosen, images, loss)):
            raise ParityError(f"{target}: not written: nothing would show that it answers as its source does: {few}.")
        more["calibration"] = calibration(images, why, chosen)
    asks: dict[str, Any] = {"data": images, "max_loss": loss, "say": say}
    asks |= {} if exact is None else {"exact": exact}
    whole = extension == form.EXTENSION  # of weights alone nothing can be asked
    return Exported(target, _Order(chosen, form, to, precision, target, more, whole, unchecked, why, asks).placed())


@dataclass(frozen=True)
class _Order:
    """What is to be written, and how it is asked.

    Attributes:
        options: of the format.
        why: what the gate should note.
        asks: the gate's own arguments.
    """

    bundle: Bundle
    form: ModuleType
    to: str
    precision: str
    target: Path
    options: dict[str, Any]
    whole: bool
    unchecked: bool
    why: str
    asks: dict[str, Any]

    def placed(self) -> Gate:
        """What the gate said of a file that is written beside its place, and takes it, with what belongs to it, then.

        Raises:
            DataError: it can't be written; what was there before is whole.
        """
        target = self.target
        try:
            with room_for(target), fresh(target) as folder:
                gate = self._written(folder / target.name)
                for made in sorted(folder.iterdir(), key=lambda made: made.name == target.name):  # the model last
                    put(made, target.with_name(made.name))
                remove(_report(target))
        except OSError as error:
            raise DataError(f"{target}: {error.strerror or error}. Choose another --output, or make room.") from None
        return gate

    def _written(self, made: Path) -> Gate:
        from bakeoff.exports.gate import Gate, asked_splits

        if say := self.asks["say"]:
            stages = 2 + len(asked_splits(self.asks["data"], self.precision)) if self.whole else 1
            say(f"write {self.to} in {self.precision}", stages)
        self.form.write(self.bundle, made, **self.options)
        if self.whole:
            return self._passed(made)
        return Gate((), None, note=f"{made.suffix} holds weights alone, and no net that could be asked")

    def _passed(self, made: Path) -> Gate:
        """What the gate said; golden pictures are put beside what was made.

        Raises:
            ParityError: it did not pass; the report is written.
        """
        from bakeoff.exports import _golden
        from bakeoff.exports.gate import Gate, check, golden_of

        golden = golden_of(self.bundle, self.precision)
        try:
            gate = replace(check(made, golden, bundle=self.bundle, **self.asks), note=self.why)
        except MissingDependencyError as error:
            if not self.unchecked:
                error.args = (f"{error}\nIt wasn't written, since nothing here can run it; if it must be: --unchecked",)
                raise
            gate = Gate((), None, note=str(error).splitlines()[0])
        if gate.passed is False:
            first = gate.first
            assert first is not None
            text = to_json({"artefact": str(self.target), "format": self.to, **gate.to_json()}, indent=1) + "\n"
            write_text(_report(self.target), text)
            says = f"it doesn't answer as its source does. First difference: {first.name} "
            says += f"({first.difference:.2g}, tolerance {first.tolerance:.2g}; {first.detail})."
            if not first.decided:
                says = f"nothing shows that it answers as its source does. {first.name}: {first.detail}."
            raise ParityError(f"{self.target}: not written: {says}\nAll of it: {_report(self.target)}")
        golden.save(_golden.beside(made))
        return gate


def size_of(path: Path) -> int:
    """Bytes of an artefact, with what its library needs beside it."""
    from bakeoff.runtimes import openvino

    files = [path, *([path.with_suffix(openvino.WEIGHTS)] if path.suffix == openvino.SUFFIX else [])]
    every = [one for one in (files if path.is_file() else path.rglob("*")) if one.is_file() and one.name != GOLDEN]
    return sum(one.stat().st_size for one in every)


def _free(form: Any, target: Path, force: bool) -> None:
    """Refuse to replace what is there already: the file, or the weights that a format puts beside it."""
    beside = [target.with_suffix(form.BESIDE)] if hasattr(form, "BESIDE") else []
    for path in [target, *beside]:
        if path.exists() and not force:
            raise UsageError(f"{path}: is there already. Choose another --output, or replace it: --force")


def _check_how(form: ModuleType, to: str, precision: str, max_loss: float | None) -> None:
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision!r}: expected {registry.either(PRECISIONS)}.")
    if precision not in (known := getattr(form, "PRECISIONS", PRECISIONS[:1])):
        raise UsageError(f"--precision {precision}: the format {to!r} has {registry.either(known)}.")
    if max_loss is not None and not (math.isfinite(max_loss) and 0 <= max_loss <= 100):
        raise UsageError(f"--max-loss {max_loss}: expected points of accuracy, from 0 to 100.")


def _report(target: Path) -> Path:
    return target.with_name(target.name + REPORT)


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


def _target(output: Path, form: ModuleType, to: str, source: Bundle | str | Path, usual: str) -> Path:
    extension = Path(usual).suffix
    if output.is_dir() and (extension or runtimes.recognise(output) is None):
        if hasattr(form, "placed") and isinstance(source, str | Path):
            return output / Path(source).resolve().name
        return output / getattr(form, "FOLDER", usual)
    if extension and output.suffix != extension:
        if output.suffix in {*OTHERS, *(registry.load(FORMATS, name).EXTENSION for name in names())} - {""}:
            raise UsageError(f"--output {output}: the format {to!r} writes {extension} files, not {output.suffix}.")
        return output.with_name(output.name + extension)
    return output
