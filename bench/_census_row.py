"""A row of the census, in a process of its own: a model with drawn weights through the product's own conversion.

    python bench/_census_row.py timm/resnet18 96 GRAPH GIGABYTES

prints the row as JSON; where the graph is GRAPH, the hash alone, for all that follows from it is known.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import sys
import tempfile
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from bakeoff.conversion.delivery import Delivery
from bakeoff.conversion.request import Request, requested
from bakeoff.conversion.session import Session
from bakeoff.errors import BakeoffError, ParityError, WorkerError
from bakeoff.graph import serialize
from bakeoff.schemas import Certificate, Check

HERE = Path(__file__).resolve().parent
MOST_TEXT = 300


def session_of(model: str, size: int, place: Path) -> Session:
    """What converts a model to the other side: one of a library by its name, of transformers as a folder, else live."""
    library, _, name = model.partition("/")
    to = "torch" if library in ("keras", "own") else "keras"
    output = place / ("out.pt" if to == "torch" else "out.keras")
    if library == "own":
        return live(name, to, output)
    if library == "transformers":
        source = folder_of(name, place / name)
        return Session(requested(str(source), to, output, accept=None), None, None)
    sizes = (size, size) if size else None
    return Session(requested(model, to, output, random_weights=True, input_size=sizes, accept=None), None, None)


def folder_of(family: str, place: Path) -> Path:
    """A small net of a family as transformers itself writes it.

    Where the table has an `initializer_range`, weights of 0.02 (which mobilevit draws for scales of batch norm as well)
    make a net that ignores its input, or, before batch norm, one whose steps are many times its weights: chaos.
    """
    import torch

    from bakeoff.preprocessing import Signature
    from bakeoff.zoo.sources import transformers

    row = json.loads((HERE / "transformers.json").read_text(encoding="utf-8"))[family]
    torch.manual_seed(0)
    signature = Signature((row["size"],) * 2, mean=(0.5,), std=(0.5,))
    with torch.device("meta") if "refused" in row else nullcontext():  # shieldgemma2 has no small config
        net = transformers.made(row["config"], 5)
    transformers.save(net, place, signature, None)
    return place


def live(name: str, to: str, output: Path) -> Session:
    """A net of tests/frameworks/keras_nets.py, in this process."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.path.insert(0, str(HERE.parent / "tests" / "frameworks"))
    import keras
    from keras_nets import NETS

    from bakeoff.zoo.opening import from_keras

    keras.utils.set_random_seed(0)
    request = Request(name, to, output, kind="live", framework="tensorflow", accept=None)
    return Session(request, None, None, live=from_keras(NETS[name]()[0]))


def row(model: str, size: int, held: str) -> dict[str, Any]:
    """The row; what raises says so in it."""
    found: dict[str, Any] = {}
    try:
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            session = stack.enter_context(session_of(model, size, place))
            session.open()
            text = json.dumps(serialize.to_json(session.graph), sort_keys=True)
            found["graph"] = hashlib.sha256(text.encode()).hexdigest()[:16]
            if found["graph"] == held:
                return found
            described = session.described
            found |= {"size": described.size[0], "parameters": described.parameters}
            found |= {"declared": [one.name for one in described.declared]}
            certificate = session.check()
            checks = list(certificate.checks)
            if certificate.passed and session.live is None:
                delivery = stack.enter_context(Delivery(session))
                checks += delivery.write()
                found["custom"] = delivery.custom
            found |= {"fixed": session.described.fixed, "notes": list(session.described.notes)}
            return found | judged(checks, certificate)
    except WorkerError as error:
        return found | {"verdict": "not finished", "error": said(error)}
    except ParityError as error:
        return found | {"verdict": "failed", "error": said(error)}
    except BakeoffError as error:
        return found | {"verdict": "refused", "error": said(error)}
    except Exception as error:
        return found | {"verdict": "failed", "error": said(error)}


def said(error: Exception) -> str:
    """An error in a line."""
    text = " ".join(str(error).split())[:MOST_TEXT]
    return text if isinstance(error, BakeoffError) else f"{type(error).__name__}: {text}"


def judged(checks: list[Check], certificate: Certificate) -> dict[str, Any]:
    """Of every kind of check the one nearest to its tolerance, or furthest beyond; and those that did not pass."""
    figures: dict[str, Check] = {}
    for one in checks:
        kind = one.name.rpartition(".")[0] or one.name
        kind = one.name if one.name == "statistics.stock" else kind  # Keras's own, another formula
        if kind not in figures or beyond(one) > beyond(figures[kind]):
            figures[kind] = one
    wrong = [one for one in checks if not one.passed]
    verdict = certificate.verdict if not wrong else "failed" if any(one.decided for one in wrong) else "not decided"
    return {
        "verdict": verdict,
        "figures": {kind: [number(one.difference), one.tolerance] for kind, one in figures.items()},
        "failed": [f"{one.name}: {one.difference:.1e}, tolerance {one.tolerance:.1e}; {one.detail}" for one in wrong],
    }


def beyond(one: Check) -> float:
    return one.difference / max(one.tolerance, 1e-300)


def number(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def main() -> None:
    model, size, held, gigabytes = sys.argv[1:]
    most = int(float(gigabytes) * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))  # of this process, and of each worker that it starts
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print
    found = row(model, int(size), held)
    channel.write(json.dumps(found) + "\n")
    channel.close()


if __name__ == "__main__":
    main()
