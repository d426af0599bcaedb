"""What a conversion leaves behind: the output, read back before it takes its place, and the certificate beside it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.bundle import read as read_bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.conversion import contents
from bakeoff.conversion.certificate import place_of, written
from bakeoff.conversion.output import rebundled
from bakeoff.conversion.session import WORK, Caller, Session
from bakeoff.conversion.sourcing import tried
from bakeoff.errors import DataError, UnsupportedError
from bakeoff.files import fresh, make_folder, put, room_for, write_text
from bakeoff.parity import check, relative, to_json
from bakeoff.parity.tolerance import LOGITS, with_noise
from bakeoff.schemas import Certificate, Check
from bakeoff.shown import to_json as shown


@dataclass(frozen=True)
class Converted:
    """A finished conversion.

    Attributes:
        output: what was written.
        certificate: what was checked.
        path: of the certificate's JSON, beside the output.
        result: what `bakeoff convert --json` prints.
    """

    output: Path
    certificate: Certificate
    path: Path
    result: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return self.certificate.passed


class Delivery:
    """The output of a session. Use it as a context manager: what has not taken its place is removed.

    Attributes:
        custom: layers in the output that plain Keras doesn't have.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.request = session, session.request
        self.temporary: Path | None = None
        self.stack = ExitStack()
        self.custom: list[str] = []

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()
        self.temporary = None

    @property
    def _writer(self) -> Caller:
        return self.session.source if self.request.own else self.session.target

    def _call(self, function: str, path: Path, **more: Any) -> Any:
        call = {"folder": str(self.session.folder), "to": self.request.to, "output": str(path)}
        return self._writer.call(WORK + function, **call, **(more or {"own": self.request.own}))

    def write(self) -> list[Check]:
        """Write beside the place of the output, and check what was written."""
        self.session.say("write", 4)
        output = self.request.output
        try:
            self.temporary = self.stack.enter_context(fresh(output))
        except OSError as error:
            raise DataError(f"{output}: {error.strerror or error}. Choose another --output.") from None
        path = self.temporary / output.name
        try:
            self._make(path)
        except UnsupportedError as error:
            self.session.fix(error)
            self._make(path)
        return [*self.read_back(path), self.as_meant(path)]

    def _make(self, path: Path) -> None:
        with room_for(self.request.output if path.parent == self.temporary else path.parent):
            if self.request.page:
                self._call("write_page", path, title=Path(self.request.source).name)
            elif self.request.to != "bundle":
                self._call("write", path)
            else:
                weights = self.session.weights  # None: the source's own
                named = {"licence": weights.weights.licence} if weights and weights.weights else {}
                write_bundle(path, rebundled(self.session.bundle, **named))

    def read_back(self, path: Path) -> list[Check]:
        """What the output gives, against the source."""
        request = self.request
        if request.page:  # of others, verified: ours, which it was found to be. A torch.py beside theirs would run
            ours = self.session.folder / "again"
            return tried(self.session, ours if ours.is_dir() else path.parent)
        if request.to == "bundle":
            again, arrays = read_bundle(path).graph.arrays(), self.session.graph.arrays()
            different = sum(relative(again[name], array) > 0 for name, array in arrays.items())
            return [check("output.bits", float(different), 0.0, "arrays that differ")]
        back = self._call("read_back", path)
        self.custom = back["custom"]
        if request.to == "torch" and path.suffix != ".pt2":
            detail = "arrays that differ" + ("; its library took them strictly" if request.own else "")
            return [check("output.bits", back["difference"], 0.0, detail)]
        tolerance = with_noise(LOGITS, self.session.spread.of_logits("given"))
        detail = f"what {request.output.name} gives, read back, against the source; float32"
        return [check("output.logits", back["difference"], tolerance, detail)]

    def as_meant(self, path: Path) -> Check:
        """The output against what this conversion means to write: layer by layer, weight by weight, word by word.

        Logits don't show a momentum, a rate of dropout, a frozen layer or the names of the classes.
        """
        again = self.session.folder / "again" / path.name
        if path.suffix not in contents.FORMATS:
            make_folder(again.parent)
            self._make(again)
        different = self._call("compare_contents", path, own=self.request.own, again=str(again))
        return check("output.contents", float(len(different)), 0.0, contents.listed(different))

    def finish(self, certificate: Certificate) -> Converted:
        """Put the files in their places, and the certificate beside them."""
        request = self.request
        assert self.temporary is not None
        for made in sorted(self.temporary.iterdir(), key=lambda made: made.name == request.output.name):
            put(made, request.output.with_name(made.name))
        value = written(request, self.session.described, certificate, self.session.weights, self.custom)
        path = place_of(request.output)
        write_text(path, shown(value, indent=1, nan=True) + "\n")
        result = {**value, "output": str(request.output), "certificate": str(path)}
        return Converted(request.output, certificate, path, result)


def report(session: Session, certificate: Certificate) -> Path:
    """The report of the first layer that differs, beside the place of the output."""
    request = session.request
    path = request.output.with_name(f"{request.output.name}.report.json")
    value = {**to_json(certificate), "source": request.source, "to": request.to}
    try:
        value["first_layer_that_differs"] = session.first_apart()
    except Exception as error:
        value["first_layer_that_differs"] = {"unknown": f"{type(error).__name__}: {error}"[:500]}
    write_text(path, shown(value, indent=1, nan=True) + "\n")
    return path
