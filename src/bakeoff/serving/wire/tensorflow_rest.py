"""TensorFlow Serving over HTTP: paths, JSON, errors; from its model_servers and util/json_tensor.cc."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from bakeoff.serving.model import DEFAULT, Served
from bakeoff.serving.models import LARGEST, STATES, version_number
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.wire import Request, Response, Route
from bakeoff.serving.wire import _examples as examples
from bakeoff.serving.wire import _json as wire
from bakeoff.serving.wire import _json_tensors as tensors

if TYPE_CHECKING:
    from bakeoff.serving.app import App

_VERSION = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?"
_POST = re.compile(rf"(?i)/v1/models/([^/:]+){_VERSION}:(classify|regress|predict)", re.ASCII)
_GET = re.compile(rf"(?i)/v1/models(?:/([^/:]+))?{_VERSION}(?:\/(metadata))?", re.ASCII)
_ORIGIN = re.compile(r"https?://")
CODES = {name: number for number, name in enumerate(("OK", "CANCELLED", "UNKNOWN"))}


async def answer(app: App, request: Request, match: re.Match[str]) -> Response:
    """All that begins with /v1/; the query belongs to what is matched, as it does there."""
    found = (_POST if request.method == "POST" else _GET).fullmatch(request.target)
    if request.method == "OPTIONS":
        return Response(b"", 200 if _ORIGIN.search(request.headers.get("origin", "")) else 400)
    if request.method not in ("GET", "POST") or found is None:
        raise _malformed(request)
    name, version, label = _spec(found)
    if request.method == "GET":
        if not name:
            raise invalid("Missing model name in request.")
        request.model = name
        if found[4] == "metadata":
            return Response(_indented(metadata(app.models.find(name, version, label))))
        return Response(_indented(status(app, name, version)))
    verb = found[4]
    request.model = name
    app.workers.admit()
    body = await request.read()
    if verb not in ("predict", "classify", "regress"):
        raise _malformed(request)
    ask = predict if verb == "predict" else classify if verb == "classify" else regress
    return Response(await app.work(request, lambda: ask(app, name, version, label, body)))


def predict(app: App, name: str, version: int | None, label: str, body: bytes) -> bytes:
    """The answer to :predict; computed in a worker.

    Raises:
        Refused: as TensorFlow Serving, in its order of checks.
    """
    request = wire.read(body)
    asked = _signature_name(request)
    served = app.models.find(name, version, label)
    signature = served.signatures.get(asked or DEFAULT)
    if signature is None:
        raise invalid(f'Serving signature name: "{asked}" not found in signature def')
    given, rows = tensors.inputs(request, signature.inputs, body, served.rows)
    return tensors.predictions(served.run(asked or DEFAULT, given, app.workers.share), rows)


def classify(app: App, name: str, version: int | None, label: str, body: bytes) -> bytes:
    """The answer to :classify."""
    request = wire.read(body)
    asked, made = _signature_name(request), examples.from_json(request, app.settings.rows)
    served = app.models.find(name, version, label)
    found = examples.classified(served, asked, made, app.workers.share)
    scores = wire.numbers(found["scores"].ravel())
    width = found["scores"].shape[1]
    rows = []
    for place, names in enumerate(found["classes"]):
        pairs = zip(names, scores[place * width : (place + 1) * width], strict=True)
        rows.append("[" + ", ".join(f"[{json.dumps(one.decode(), ensure_ascii=False)}, {s}]" for one, s in pairs) + "]")
    return wire.encoded('{\n    "results": [' + ", ".join(rows) + "\n    ]\n}")


def regress(app: App, name: str, version: int | None, label: str, body: bytes) -> bytes:
    """Why there is no answer to :regress: classifiers have no such signature."""
    request = wire.read(body)
    asked = _signature_name(request)
    examples.from_json(request, app.settings.rows)
    raise examples.no_regression(app.models.find(name, version, label), asked)


def status(app: App, name: str, version: int | None) -> dict[str, Any]:
    """The states of a model's versions."""
    codes = {number: code for code, number in CODES.items()}
    rows = [
        {
            "version": str(number),
            "state": STATES[one.state],
            "status": {"error_code": codes[one.code], "error_message": one.message},
        }
        for number, one in app.models.states(name, version)
    ]
    return {"model_version_status": rows}


def metadata(served: Served) -> dict[str, Any]:
    """The signatures of a version."""

    def told(infos: Any) -> dict[str, Any]:
        return {
            alias: {
                "dtype": info.dtype,
                "tensor_shape": {"dim": [{"size": str(n), "name": ""} for n in info.shape], "unknown_rank": False},
                "name": info.name,
            }
            for alias, info in infos.items()
        }

    signatures = {
        name: {"inputs": told(one.inputs), "outputs": told(one.outputs), "method_name": one.method, "defaults": {}}
        for name, one in served.signatures.items()
    }
    spec = {"name": served.name, "signature_name": "", "version": str(served.version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}


def _signature_name(request: dict[str, Any]) -> str:
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        said = "not formatted correctly. 'signature_name' key must be a string value."
        raise invalid(f"JSON Value: {wire.shown(request)} {said}")
    return name


def _spec(match: re.Match[str]) -> tuple[str, int | None, str]:
    name, version, label = _decoded(match[1], "name"), match[2], _decoded(match[3], "version label")
    if version is not None and version_number(version) > LARGEST:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return name, None if version is None else version_number(version), label


def _decoded(text: str | None, what: str) -> str:
    try:
        return unquote_to_bytes(text or "").decode()
    except UnicodeDecodeError:
        raise invalid(f"Failed to decode model {what}:{text}") from None


def _malformed(request: Request) -> Refused:
    return invalid(f"Malformed request: {request.method} {request.target}")


def _indented(value: dict[str, Any]) -> bytes:
    """As protobuf's printer has it."""
    return wire.encoded(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


ROUTES = [Route((), re.compile(r"(?i)/v1/.*"), answer)]
