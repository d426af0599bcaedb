"""Golden pictures: files with the source's answers that an export carries; a version has to know them to go live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.files import named, read_arrays
from bakeoff.parity import deployed, golden_arrays
from bakeoff.schemas import Check
from bakeoff.serving.model import DEFAULT, Served
from bakeoff.serving.refused import Refused
from bakeoff.serving.tensors import strings

NAME, AGAIN = "golden.npz", "Export it anew."
BETWEEN = "; "  # of several labels of an image, by name


def hold(artefact: Path, served: Served) -> int:
    """Ask a version about the golden pictures that lie with it; how many there are.

    Raises:
        CorruptError: they are damaged.
        BakeoffError: it answers otherwise than its source.
    """
    extra = artefact / "assets.extra"
    path = extra / NAME if extra.is_dir() else artefact.with_name(f"{artefact.name}.{NAME}")
    if not path.is_file():
        return 0
    with named(path, AGAIN):
        found = read_arrays(path)
        golden_arrays.hold(found)
        ends = np.cumsum(found["sizes"]).tolist()
        content = found["content"].tobytes()
        files = [content[a:b] for a, b in zip([0, *ends], ends, strict=False)]
        if found["classes"].tolist() != list(served.opened.classes):
            raise CorruptError("its classes are others than its golden pictures'")
        try:
            checks = list(_checks(served.run(DEFAULT, {"bytes": strings(files)}), served, found))
        except Refused as error:
            raise CorruptError(error.message) from None
    wrong = deployed.first(checks)
    if wrong is not None:
        raise BakeoffError(f"golden pictures: {wrong.name} differ ({wrong.difference:.2e}: {wrong.detail}). {AGAIN}")
    return len(files)


def _checks(answers: dict[str, Any], served: Served, found: dict[str, Any]) -> Iterator[Check]:
    """Of probabilities, which move as far as the logits of the artefact's precision may, and of labels."""
    precision, output = str(found["precision"]), found["output"]
    if "similarity" in answers and found.get("similarity", output[:0]).size:
        yield deployed.similarity(answers["similarity"], found["similarity"], found["near"], precision)
    far = deployed.reach(output, deployed.logits(output, output, found["noisy"], precision))
    independent = served.kind.multilabel or output.shape[1] == 1
    slope = deployed.SIGMOID if independent else deployed.SOFTMAX
    shares = deployed.probabilities(answers["probabilities"], found["probabilities"], far, slope)
    yield shares
    if precision != "int8":
        rows = answers["labels"].reshape(len(answers["labels"]), -1).tolist()
        labels = [BETWEEN.join(sorted(name.decode() for name in row if name)) for row in rows]
        yield deployed.labels(
            np.array(labels), found["labels"], found["margins"], shares.tolerance, found["names"].tolist()
        )
