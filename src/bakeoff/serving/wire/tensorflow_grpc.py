"""TensorFlow Serving over gRPC: Predict, Classify, Regress, metadata and status; the rest is UNIMPLEMENTED."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from bakeoff.schemas import Array
from bakeoff.serving.messages import message, parsed
from bakeoff.serving.model import DEFAULT, Served
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import KINDS
from bakeoff.serving.wire import Method
from bakeoff.serving.wire import _examples as examples
from bakeoff.serving.wire import _tensor_proto as proto

if TYPE_CHECKING:
    from bakeoff.serving.app import App

OF = "tensorflow.serving."
FIELD = "signature_def"


def _asked(answer: Callable[[App, Any, Any], Any], kind: str) -> Method:
    """A handler that computes a message from a message of `kind`, in a worker."""

    async def handle(app: App, content: bytes, call: Any) -> bytes:
        app.workers.admit()

        def work() -> bytes:
            request = parsed(message(OF + kind), content)
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            call.model = request.model_spec.name
            found: bytes = answer(app, request, call).SerializeToString()
            return found

        return await app.work(call, work)

    return handle


def predict(app: App, request: Any, call: Any) -> Any:
    """PredictRequest to PredictResponse.

    Raises:
        Refused: as TensorFlow Serving, in its order of checks.
    """
    served, asked = _served(app, request.model_spec), request.model_spec.signature_name or DEFAULT
    signature = served.signatures.get(asked)
    if signature is None:
        raise Refused("FAILED_PRECONDITION", f'Serving signature key "{asked}" not found.')
    inputs = _inputs(request.inputs, signature.inputs, app.settings.most)
    wanted = list(request.output_filter)
    for place, alias in enumerate(wanted):
        if alias not in signature.outputs:
            known = _set(signature.outputs)
            said = f"output tensor alias not found in signature: {alias} Outputs expected to be in the set {known}."
            raise invalid(said)
        if alias in wanted[:place]:
            raise invalid(f"duplicate output tensor alias: {alias}")
    found = served.run(asked, inputs, app.workers.share)
    response = message(OF + "PredictResponse")()
    for alias in wanted or found:
        proto.write(found[alias], response.outputs[alias])
    return _signed(response, served, asked)


def classify(app: App, request: Any, call: Any) -> Any:
    """ClassificationRequest to ClassificationResponse."""
    served, asked = _served(app, request.model_spec), request.model_spec.signature_name
    given = examples.from_input(request.input)
    found = examples.classified(served, asked, given, app.workers.share)
    response = message(OF + "ClassificationResponse")()
    for names, scores in zip(found["classes"], found["scores"].tolist(), strict=True):
        row = response.result.classifications.add()
        for name, score in zip(names, scores, strict=True):
            row.classes.add(label=name.decode(), score=score)
    return _signed(response, served, asked or DEFAULT)


def regress(app: App, request: Any, call: Any) -> Any:
    """Why there is no regression."""
    served = _served(app, request.model_spec)
    examples.from_input(request.input)
    raise examples.no_regression(served, request.model_spec.signature_name)


def metadata(app: App, request: Any, call: Any) -> Any:
    """The signatures, in an Any."""
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != FIELD:
            raise invalid(f"Metadata field {field} is not supported")
    served = _served(app, request.model_spec)
    signatures = message(OF + "SignatureDefMap")()
    for name, one in served.signatures.items():
        made = signatures.signature_def[name]
        made.method_name = one.method
        for infos, fields in ((one.inputs, made.inputs), (one.outputs, made.outputs)):
            for alias, info in infos.items():
                fields[alias].name, fields[alias].dtype = info.name, KINDS[info.dtype].enum
                for size in info.shape:
                    fields[alias].tensor_shape.dim.add(size=size)
    response = message(OF + "GetModelMetadataResponse")()
    response.metadata[FIELD].type_url = f"type.googleapis.com/{OF}SignatureDefMap"
    response.metadata[FIELD].value = signatures.SerializeToString()
    return _signed(response, served, "")


def status(app: App, request: Any, call: Any) -> Any:
    """The states of a model's versions; a label is ignored, as there."""
    spec = request.model_spec
    response = message(OF + "GetModelStatusResponse")()
    for version, one in app.models.states(spec.name, spec.version.value if spec.HasField("version") else None):
        row = response.model_version_status.add(version=version, state=one.state)
        row.status.error_code, row.status.error_message = one.code, one.message
    return response


def _served(app: App, spec: Any) -> Served:
    return app.models.find(spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label)


def _signed(response: Any, served: Served, signature: str) -> Any:
    response.model_spec.name, response.model_spec.version.value = served.name, served.version
    response.model_spec.signature_name = signature
    return response


def _inputs(given: Any, wanted: Any, most: int) -> dict[str, Array]:
    if len(given) != len(wanted):
        counts = f"{len(given)}!={len(wanted)} len({_set(given)}) != len({_set(wanted)})"
        extra, missing = _set(given.keys() - wanted.keys()), _set(wanted.keys() - given.keys())
        said = f"input size does not match signature: {counts}. Sent extra: {extra}. Missing but required: {missing}."
        raise invalid(said)
    for alias, info in wanted.items():
        if alias not in given:
            said = f"Signature input alias: {alias}(feed name: {info.name}) not found in request and no default value"
            known = f"Inputs expected to be in the request {_set(wanted)}, or default input alias set: "
            raise invalid(f"{said} provided. {known}")
    return {alias: proto.read(alias, given[alias], most) for alias in wanted}


def _set(names: Collection[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


async def health(app: App, content: bytes, call: Any) -> bytes:
    """grpc.health.v1: SERVING is 1, NOT_SERVING 2."""
    answer = message("grpc.health.v1.HealthCheckResponse")(status=1 if app.ready else 2)
    found: bytes = answer.SerializeToString()
    return found


SERVICES: dict[str, dict[str, Method]] = {
    f"{OF}PredictionService": {
        "Predict": _asked(predict, "PredictRequest"),
        "Classify": _asked(classify, "ClassificationRequest"),
        "Regress": _asked(regress, "ClassificationRequest"),  # of the same fields
        "GetModelMetadata": _asked(metadata, "GetModelMetadataRequest"),
    },
    f"{OF}ModelService": {"GetModelStatus": _asked(status, "GetModelStatusRequest")},
    "grpc.health.v1.Health": {"Check": health},
}
