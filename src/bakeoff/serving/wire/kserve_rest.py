"""KServe V2 (Open Inference Protocol) over HTTP, with the extension for binary tensors."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bakeoff.schemas import Array
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import BY_KSERVE, strings
from bakeoff.serving.wire import JSON, Request, Response, Route
from bakeoff.serving.wire import _json as wire
from bakeoff.serving.wire import _kserve as kserve
from bakeoff.serving.wire._json_tensors import _tensor as from_json
from bakeoff.version import __version__

if TYPE_CHECKING:
    from bakeoff.serving.app import App

LENGTH = "inference-header-content-length"
_MODEL = r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]*))?"
_READ = ("GET", "HEAD")


async def live(app: App, request: Request, match: re.Match[str]) -> Response:
    """Whether it lives."""
    return _json({"live": True})


async def ready(app: App, request: Request, match: re.Match[str]) -> Response:
    """Whether every model answers."""
    return _json({"ready": app.ready}, 200 if app.ready else 503)


async def server(app: App, request: Request, match: re.Match[str]) -> Response:
    """What the server is."""
    return _json({"name": "bakeoff", "version": __version__, "extensions": kserve.EXTENSIONS})


async def models(app: App, request: Request, match: re.Match[str]) -> Response:
    """The names of the models."""
    return _json({"models": sorted(app.models.given)})


async def model_ready(app: App, request: Request, match: re.Match[str]) -> Response:
    """Whether a model answers."""
    name, version = _model(request, match)
    found = kserve.ready(app.models, name, version)
    return _json({"name": name, "ready": found}, 200 if found else 503)


async def metadata(app: App, request: Request, match: re.Match[str]) -> Response:
    """What a model is like."""
    return _json(kserve.metadata(app.models, kserve.found(app.models, *_model(request, match))))


async def infer(app: App, request: Request, match: re.Match[str]) -> Response:
    """The answer to an inference request."""
    name, version = _model(request, match)
    app.workers.admit()
    body = await request.read()
    length = request.headers.get(LENGTH)
    content, size = await app.work(request, lambda: _inferred(app, name, version, body, length))
    if size is None:
        return Response(content)
    return Response(content, 200, "application/octet-stream", [(LENGTH.encode(), b"%d" % size)])


async def wrong_method(app: App, request: Request, match: re.Match[str]) -> Response:
    """405, as Triton has it."""
    return Response(wire.error("Method Not Allowed"), 405)


async def nothing(app: App, request: Request, match: re.Match[str]) -> Response:
    """404 in JSON."""
    raise Refused("NOT_FOUND", f"Not Found: {request.path}")


def _model(request: Request, match: re.Match[str]) -> tuple[str, str]:
    request.model = unquote(match["name"])
    return request.model, match["version"] or ""


def _inferred(app: App, name: str, version: str, body: bytes, length: str | None) -> tuple[bytes, int | None]:
    """The body of an answer, and how much of it is JSON where tensors follow; computed in a worker."""
    served = kserve.found(app.models, name, version)
    if length == "0":  # nothing but one image
        value: dict[str, Any] = {"parameters": {"binary_data_output": True}}
        given = {"bytes": strings([body])}
    else:
        head = _head(body, length)
        value = wire.read(body[:head])
        given = _inputs(value, body[head:], name, app.settings.most)
    wanted = value.get("outputs", [])
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise invalid("'outputs' must be a list of objects.")
    names = [_text(one, "name", "output") for one in wanted]
    answers = kserve.run(served, given, names, app.workers.share)
    always = _parameters(value).get("binary_data_output") is True
    binary = dict.fromkeys(answers, always)
    binary |= {
        one["name"]: _parameters(one)["binary_data"] is True for one in wanted if "binary_data" in _parameters(one)
    }
    told = {"model_name": served.name, "model_version": str(served.version), **_id_of(value)}
    return _written(told, answers, binary)


def _id_of(value: dict[str, Any]) -> dict[str, Any]:
    if "id" in value and not isinstance(value["id"], str):
        raise invalid("'id' must be a string.")
    return {"id": value["id"]} if "id" in value else {}


def _head(body: bytes, length: str | None) -> int:
    if length is None:
        return len(body)
    if not (length.isascii() and length.isdecimal()):
        raise invalid(f"Unable to parse Inference-Header-Content-Length, got: {length}")
    if not 0 < int(length[:20]) <= len(body):
        raise invalid(f"inference header size should be in range (0, {len(body)}), got: {length}")
    return int(length)


def _inputs(value: dict[str, Any], raw: bytes, model: str, most: int) -> dict[str, Array]:
    listed, found, at = value.get("inputs"), dict[str, Array](), 0
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise invalid("'inputs' must be a list of objects.")
    for one in listed:
        name, kind, shape = _text(one, "name", "input"), _text(one, "datatype", "input"), one.get("shape")
        if not isinstance(shape, list) or name in found:
            raise invalid(f"input '{name}': {'it comes twice' if name in found else 'shape must be a list'}.")
        size = _parameters(one).get("binary_data_size")
        if size is None:
            found[name] = _of_json(name, kind, shape, one, most)
            continue
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise invalid(f"input '{name}': binary_data_size must be a number of bytes.")
        if at + size > len(raw):
            more = at + size - len(raw)
            raise invalid(f"unexpected size for input '{name}', expecting {more} additional bytes for model '{model}'")
        found[name] = kserve.from_raw(name, raw[at : at + size], kind, shape, most)
        at += size
    if at != len(raw):
        raise invalid(f"{len(raw) - at} bytes follow that no input of model '{model}' has.")
    return found


def _of_json(name: str, kind: str, shape: list[Any], one: dict[str, Any], most: int) -> Array:
    """`data`, nested or flat; BYTES are base64, as text or as `{"b64": ...}`: images are no text."""
    if kind == "FP16":
        said = f"Receiving FP16 data via JSON is not supported. Please use the binary data format for input {name}"
        raise invalid(said)
    count = kserve.sized(name, shape, most, kserve.kind_of(name, kind))
    data = one.get("data")
    if not isinstance(data, list):
        raise invalid(f"input '{name}': 'data' must be a list.")
    if kind == "BYTES":
        flat = list(_flat(data))
        _counted(name, len(flat), count, shape)  # before they are unpacked
        return strings([_bytes(name, place, text) for place, text in enumerate(flat)]).reshape(shape)
    found = from_json(data, BY_KSERVE[kind], False if _has_truth(kind) else not _bools(data))
    _counted(name, found.size, count, shape)
    return found.reshape(shape)


def _counted(name: str, found: int, expected: int, shape: list[Any]) -> None:
    if found != expected:
        raise invalid(f"unexpected number of elements for input '{name}': {found} for {shape}.")


def _has_truth(kind: str) -> bool:
    return kind == "BOOL"


def _bools(data: list[Any]) -> bool:
    return any(isinstance(one, bool) for one in _flat(data))


def _flat(data: Any) -> Any:
    for one in data:
        if isinstance(one, list):
            yield from _flat(one)
        else:
            yield one


def _bytes(name: str, place: int, value: Any) -> bytes:
    text = value["b64"] if wire.is_base64(value) else value
    if not isinstance(text, str):
        raise invalid(f"input '{name}': element {place} must be base64, as text.")
    try:
        return wire.unpacked(text)
    except Refused as error:
        raise invalid(f"input '{name}': element {place}: {error.message}") from None


def _written(told: dict[str, Any], answers: dict[str, Array], binary: dict[str, bool]) -> tuple[bytes, int | None]:
    outputs, raw = [], list[bytes]()
    for alias, array in answers.items():
        row: dict[str, Any] = {"name": alias, "datatype": kserve.datatype(array), "shape": list(array.shape)}
        if binary.get(alias):
            raw.append(kserve.to_raw(array))
            row["parameters"] = {"binary_data_size": len(raw[-1])}
        elif array.dtype == object:
            row["data"] = [one.decode("utf-8", "replace") for one in array.ravel()]
        else:
            row["data"] = array.ravel().tolist()
        outputs.append(row)
    head = json.dumps({**told, "outputs": outputs}, ensure_ascii=False).encode("utf-8", "replace")
    return (head + b"".join(raw), len(head)) if raw else (head, None)


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    found = value.get("parameters", {})
    if not isinstance(found, dict):
        raise invalid("'parameters' must be an object.")
    return found


def _text(value: dict[str, Any], key: str, what: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise invalid(f"each {what} needs a '{key}', as text.")
    return found


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), status, JSON)


ROUTES = [
    Route(_READ, re.compile("/v2/health/live"), live, free=True),
    Route(_READ, re.compile("/v2/health/ready"), ready, free=True),
    Route(_READ, re.compile("/v2/?"), server),
    Route(_READ, re.compile("/v2/models/?"), models),
    Route(_READ, re.compile(_MODEL), metadata),
    Route(_READ, re.compile(f"{_MODEL}/ready"), model_ready),
    Route(("POST",), re.compile(f"{_MODEL}/infer"), infer),
    Route((), re.compile(rf"/v2(?:/health/(?:live|ready)|/models|{_MODEL[3:]}(?:/ready|/infer)?)?"), wrong_method),
    Route((), re.compile("/v2/.*"), nothing),
]
