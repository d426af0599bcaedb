"""What the server answers over HTTP, as OpenAPI 3.1 has it, with the models that it serves now."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bakeoff.serving.wire import Request, Response, Route
from bakeoff.version import __version__

if TYPE_CHECKING:
    from bakeoff.serving.app import App

FILE = {"type": "object", "required": ["b64"], "properties": {"b64": {"type": "string", "contentEncoding": "base64"}}}
ROWS = {
    "type": "object",
    "description": "`instances`, an image each, or `inputs`; see `signature_name` in the metadata for other forms.",
    "properties": {
        "signature_name": {"type": "string", "default": "serving_default"},
        "instances": {"type": "array", "items": FILE},
        "inputs": {},
    },
}
EXAMPLES = {
    "type": "object",
    "required": ["examples"],
    "properties": {
        "signature_name": {"type": "string", "default": "serving_default", "examples": ["classify"]},
        "examples": {"type": "array", "items": {"type": "object", "properties": {"image/encoded": FILE}}},
    },
}
TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "data": {"type": "array"},
    },
}
V2 = {"type": "object", "required": ["inputs"], "properties": {"inputs": {"type": "array", "items": TENSOR}}}
PATHS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "/v1/models/{model}": ("get", "Versions of a model, and their states (TensorFlow Serving)", None),
    "/v1/models/{model}/metadata": ("get", "Signatures of a model", None),
    "/v1/models/{model}:predict": ("post", "Labels, probabilities and logits", ROWS),
    "/v1/models/{model}:classify": ("post", "Classes with their scores, of tf.Example", EXAMPLES),
    "/v2": ("get", "The server (KServe V2)", None),
    "/v2/models": ("get", "Names of the models", None),
    "/v2/models/{model}": ("get", "Inputs, outputs and classes of a model", None),
    "/v2/models/{model}/ready": ("get", "Whether a model answers", None),
    "/v2/models/{model}/infer": ("post", "Outputs, in JSON or as binary tensors", V2),
    "/v2/health/live": ("get", "Whether the server lives", None),
    "/v2/health/ready": ("get", "Whether every model answers", None),
    "/healthz": ("get", "Whether the server lives", None),
    "/readyz": ("get", "Whether every model answers, and the server goes on", None),
    "/metrics": ("get", "Measures, for Prometheus", None),
}


def document(app: App) -> dict[str, Any]:
    """The description."""
    answer = {"200": {"description": "The answer"}, "default": {"description": "`error` says what was wrong"}}
    model = {"name": "model", "in": "path", "required": True, "schema": {"enum": sorted(app.models.given)}}
    paths: dict[str, Any] = {}
    for path, (method, summary, body) in PATHS.items():
        said: dict[str, Any] = {"summary": summary, "responses": answer}
        if "{model}" in path:
            said["parameters"] = [model]
        if body is not None:
            said["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        paths[path] = {method: said}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "bakeoff serve", "version": __version__},
        "paths": paths,
    }
    if app.settings.token:
        found["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        found["security"] = [{"token": []}]
    return found


async def answer(app: App, request: Request, match: re.Match[str]) -> Response:
    """GET /openapi.json."""
    return Response(json.dumps(document(app), ensure_ascii=False).encode())


ROUTES = [Route(("GET", "HEAD"), re.compile(r"/openapi\.json"), answer)]
