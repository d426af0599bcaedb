"""`bakeoff convert --source`: a page of plain PyTorch or Keras with its weights, tried without Bakeoff."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.conversion.api import failed, weights_of
from bakeoff.conversion.delivery import Converted
from bakeoff.conversion.request import requested
from bakeoff.conversion.session import Session
from bakeoff.conversion.work import captured
from bakeoff.errors import DataError, ParityError, UsageError
from bakeoff.parity import check, relative, to_json
from bakeoff.parity.tolerance import LOGITS, with_noise
from bakeoff.schemas import Array, Check
from bakeoff.workers.channel import Listener, Reporter

HERE = "bakeoff.conversion.sourcing:"
ALONE = Path(__file__).with_name("page_alone.py")
FILES = {"torch": (".pt2", "weights.pt"), "keras": (".keras", "model.weights.h5")}


def convert_to_source(
    source: str, to: str, output: str | Path | None = None, *, listen: Listener | None = None, **options: Any
) -> Converted:
    """Write `model.py` and the weights into a folder; the rebuilt net and the file itself are checked.

    Raises:
        UsageError: a target that has no source code, or an output that is a file.
        ParityError: a check failed; no page was written.
        BakeoffError: it can't be converted; says why.
    """
    if to not in FILES:
        raise UsageError(f"--source --to {to}: source code is written for torch and keras. Give one of them.")
    folder = Path(output) if output is not None else Path(f"{Path(source).name}-{to}")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {folder}: --source writes a folder, and this is a file. Choose another name.")
    request = requested(source, to, folder.parent / f"{folder.name}{FILES[to][0]}", page=True, **options)
    with Session(request, weights_of(request, listen), listen) as work:
        certificate = work.check()
        if not certificate.passed:
            raise failed(work, certificate)
        made = Path(work.folder) / "page"
        made.mkdir()
        writer = work.source if work.request.framework == request.target else work.target
        title = Path(source).name
        writer.call(HERE + "write", folder=str(work.folder), to=to, title=title)
        certificate = replace(certificate, checks=(*certificate.checks, *_tried(work, made)))
        if not certificate.passed:
            wrong = next(one for one in certificate.checks if not one.passed)
            raise ParityError(f"{source}: the page for {to} failed {wrong.name}: {wrong.difference:.1e}; not written.")
        value = {
            **to_json(certificate),
            "source": source,
            "to": to,
            "kind": "source",
            "notes": list(work.described.notes),
        }
        (made / "certificate.json").write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        _place(made, folder)
    path = folder / "certificate.json"
    names = ", ".join(one.name for one in certificate.declared)
    lost = f"; declared: {names}" if names else ""
    summary = f"{source} as plain {to}: {len(certificate.checks)} checks passed{lost}."
    result = {**value, "summary": summary, "output": str(folder / "model.py"), "certificate": str(path)}
    return Converted(folder, certificate, path, result)


def write(session: dict[str, Any], reporter: Reporter, *, folder: str, to: str, title: str) -> None:
    """In the worker of the framework: the page and its weights."""
    from bakeoff.exports.source import write as write_page

    write_page(captured(session, folder).graph, to, Path(folder) / "page", title)


def _tried(work: Session, made: Path) -> list[Check]:
    """The page in a process of its own, where Bakeoff can't be imported."""
    images: Array = work.given()
    expected: Array = work.expected()
    with tempfile.TemporaryDirectory() as place:
        given, answers = Path(place) / "given.npz", Path(place) / "said.npz"
        np.savez(given, images=images)
        line = [sys.executable, str(ALONE), str(made), str(given), str(answers)]
        backend = work.request.target if work.request.target != "torch" else ""
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **({"KERAS_BACKEND": backend} if backend else {})}
        done = subprocess.run(line, capture_output=True, text=True, env=environment)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ParityError(f"{work.request.source}: the page that was made doesn't run: {last[:300]}\nNot written.")
        found = dict(np.load(answers))
    tolerance = with_noise(LOGITS, work.spread.of_logits("given"))
    learned = work.graph.count(trainable=True)
    return [
        check("page.logits", relative(found["logits"], expected), tolerance, "model.py alone, against the source"),
        check("page.trainable", float(abs(int(found["trainable"]) - learned)), 0.0, f"{learned} expected"),
    ]


def _place(made: Path, folder: Path) -> None:
    import shutil

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in made.iterdir():
            if one.is_file():
                beside = folder / f".{one.name}.{os.getpid()}"
                shutil.copyfile(one, beside)
                os.replace(beside, folder / one.name)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}. Choose another --output, or make room.") from None
