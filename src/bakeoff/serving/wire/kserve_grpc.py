"""KServe V2 over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.schemas import Array
from bakeoff.serving.messages import message, parsed
from bakeoff.serving.refused import invalid
from bakeoff.serving.tensors import strings
from bakeoff.serving.wire import Method
from bakeoff.serving.wire import _kserve as kserve
from bakeoff.version import __version__

if TYPE_CHECKING:
    from bakeoff.serving.app import App

OF = "inference."
FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def _made(kind: str, **values: Any) -> bytes:
    found: bytes = message(OF + kind)(**values).SerializeToString()
    return found


async def live(app: App, content: bytes, call: Any) -> bytes:
    """Whether it lives."""
    return _made("ServerLiveResponse", live=True)


async def ready(app: App, content: bytes, call: Any) -> bytes:
    """Whether every model answers."""
    return _made("ServerReadyResponse", ready=app.ready)


async def server(app: App, content: bytes, call: Any) -> bytes:
    """What the server is."""
    return _made("ServerMetadataResponse", name="bakeoff", version=__version__, extensions=kserve.EXTENSIONS)


async def model_ready(app: App, content: bytes, call: Any) -> bytes:
    """Whether a model answers."""
    request = parsed(message(OF + "ModelReadyRequest"), content)
    call.model = request.name
    return _made("ModelReadyResponse", ready=kserve.ready(app.models, request.name, request.version))


async def metadata(app: App, content: bytes, call: Any) -> bytes:
    """What a model is like."""
    request = parsed(message(OF + "ModelReadyRequest"), content)  # of the same fields
    call.model = request.name
    told = kserve.metadata(app.models, kserve.found(app.models, request.name, request.version))
    del told["parameters"]
    return _made("ModelMetadataResponse", **told)


async def infer(app: App, content: bytes, call: Any) -> bytes:
    """The answer to an inference request."""
    app.workers.admit()
    return await app.work(call, lambda: _inferred(app, content, call))


def _inferred(app: App, content: bytes, call: Any) -> bytes:
    request = parsed(message(OF + "ModelInferRequest"), content)
    call.model = request.model_name
    served = kserve.found(app.models, request.model_name, request.model_version)
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise invalid(f"raw_input_contents has {len(raw)} parts for {len(request.inputs)} inputs.")
    given = {}
    for place, one in enumerate(request.inputs):
        if raw and one.HasField("contents"):
            raise invalid(f"contents field must not be specified when using raw_input_contents for '{one.name}'")
        most = app.settings.most
        shape = list(one.shape)
        given[one.name] = (
            kserve.from_raw(one.name, raw[place], one.datatype, shape, most) if raw else _typed(one, shape, most)
        )
    answers = kserve.run(served, given, [one.name for one in request.outputs], app.workers.share)
    response = message(OF + "ModelInferResponse")(
        model_name=served.name, model_version=str(served.version), id=request.id
    )
    for alias, array in answers.items():
        made = response.outputs.add(name=alias, datatype=kserve.datatype(array), shape=array.shape)
        if raw:
            response.raw_output_contents.append(kserve.to_raw(array))
        else:
            getattr(made.contents, FIELDS[made.datatype]).extend(array.ravel().tolist())
    found: bytes = response.SerializeToString()
    return found


def _typed(one: Any, shape: list[int], most: int) -> Array:
    kind = kserve.kind_of(one.name, one.datatype)
    if one.datatype not in FIELDS:
        raise invalid(f"input '{one.name}': {one.datatype} needs raw_input_contents.")
    count, values = kserve.sized(one.name, shape, most, kind), getattr(one.contents, FIELDS[one.datatype])
    if len(values) != count:
        raise invalid(f"unexpected number of elements for input '{one.name}': {len(values)} for {shape}.")
    if one.datatype == "BYTES":
        return strings(list(values)).reshape(shape)
    wide = np.array(values)
    if wide.size and kind.kind in "iu" and not (np.iinfo(kind).min <= wide.min() and wide.max() <= np.iinfo(kind).max):
        raise invalid(f"input '{one.name}': a value is beyond {one.datatype}.")
    return wide.astype(kind).reshape(shape)


SERVICES: dict[str, dict[str, Method]] = {
    f"{OF}GRPCInferenceService": {
        "ServerLive": live,
        "ServerReady": ready,
        "ServerMetadata": server,
        "ModelReady": model_ready,
        "ModelMetadata": metadata,
        "ModelInfer": infer,
    }
}
