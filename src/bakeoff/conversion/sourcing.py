"""`bakeoff convert --source`: a page of plain PyTorch or Keras with its weights, tried without Bakeoff."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bakeoff.conversion.session import Session
from bakeoff.errors import ParityError
from bakeoff.files import workspace
from bakeoff.parity import check, relative
from bakeoff.parity.tolerance import LOGITS, with_noise
from bakeoff.schemas import Array, Check

ALONE = Path(__file__).with_name("page_alone.py")


def tried(work: Session, made: Path) -> list[Check]:
    """The page in a process of its own, where Bakeoff can't be imported."""
    images: Array = work.given()
    expected: Array = work.expected()
    with workspace("page") as place:
        given, answers = place / "given.npz", place / "said.npz"
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
