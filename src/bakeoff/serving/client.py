"""Asks a server for what `predict` says: TensorFlow Serving's protocol over HTTP and gRPC, or KServe's V2.

    http://HOST:8501/v1/models/NAME     grpc://HOST:8500/NAME     http://HOST:8501/v2/models/NAME

Without a name it is that of TensorFlow Serving's image, `model`; `https` and `grpcs` are TLS. Each image is a
request, so that one that can't be read is known.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from bakeoff.errors import BakeoffError, DataError, MissingDependencyError, UsageError
from bakeoff.serving.messages import message
from bakeoff.serving.model import CLASSIFY, ENCODED

Pairs = list[list[Any]]
TRIES, LONGEST_S, TIMEOUT_S = 5, 10, 60
UNREADABLE = re.compile(r"image 0 can't be read: (.*)", re.DOTALL)
PATH = re.compile(r"(?:/(v[12])(?:/models)?)?/?([^/:]*)((?:/versions/\d+|/labels/[^/:]+)?)(?::\w+|/infer)?/?")
NOBODY = "nothing answers there. Is the server running, at this port? bakeoff serve says where it listens."
BUSY = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")


class Remote:
    """A model of a server.

    Attributes:
        threshold: of several labels an image; None where it has one, or the server doesn't say.
        several: whether images have several labels.
    """

    def __init__(self, url: str, token: str = "") -> None:
        parts, self._token = urlsplit(url), token
        match = PATH.fullmatch(parts.path)
        if parts.scheme not in ("http", "https", "grpc", "grpcs") or not parts.hostname or match is None:
            raise UsageError(
                f"{url}: expected http://HOST:PORT/v1/models/NAME, .../v2/models/NAME or grpc://HOST:PORT/NAME."
            )
        self.url, self._v2 = url, match[1] == "v2"
        self._name, self._version = unquote(match[2]) or "model", match[3]
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._channel: Any = _channel(parts) if parts.scheme.startswith("grpc") else None
        self._lock, self.threshold, self.several = threading.Lock(), None, False
        self._classes: list[str] = []
        self._learn()

    def ask(self, content: bytes) -> tuple[Pairs, Pairs]:
        """All classes with their probabilities, the most probable first; and those that are given as labels.

        Raises:
            DataError: the image can't be read.
            BakeoffError: the server refuses, or isn't there.
        """
        if self._v2:
            pairs = self._inferred(content)
        elif self._channel is not None:
            pairs = self._classified(content)
        else:
            example = {"signature_name": CLASSIFY, "examples": [{ENCODED: _b64(content)}]}
            pairs = self._post(f"{self._path()}:classify", example)["results"][0]
        if not self.several:
            return pairs, pairs[:1]
        least = 0.5 if self.threshold is None else self.threshold
        return pairs, [pair for pair in pairs if pair[1] >= least]

    def _learn(self) -> None:
        """What the model is like, where the server says more than its protocol asks for."""
        if self._channel is not None:
            return
        try:
            told = self._get(f"/v2/models/{quote(self._name)}").get("parameters", {})
        except BakeoffError:
            if self._v2:
                raise
            return
        self._classes = list(told.get("classes", ()))
        self.several = told.get("loss") == "multi_label_cross_entropy"
        self.threshold = told.get("threshold") if self.several else None

    def _path(self) -> str:
        return f"/v{2 if self._v2 else 1}/models/{quote(self._name)}{self._version}"

    def _inferred(self, content: bytes) -> Pairs:
        asked = {"name": "bytes", "datatype": "BYTES", "shape": [1], "data": [_b64(content)["b64"]]}
        found = self._post(f"{self._path()}/infer", {"inputs": [asked], "outputs": [{"name": "probabilities"}]})
        (output,) = found["outputs"]
        names = self._classes or [str(place) for place in range(len(output["data"]))]
        return sorted(([name, share] for name, share in zip(names, output["data"], strict=True)), key=lambda p: -p[1])

    def _classified(self, content: bytes) -> Pairs:
        request = message("tensorflow.serving.ClassificationRequest")()
        spec, example = request.model_spec, request.input.example_list.examples.add()
        spec.name, spec.signature_name = self._name, CLASSIFY
        if self._version.startswith("/versions/"):
            spec.version.value = int(self._version.rpartition("/")[2])
        elif self._version:
            spec.version_label = unquote(self._version.rpartition("/")[2])
        example.features.feature[ENCODED].bytes_list.value.append(content)
        answer = self._call("/tensorflow.serving.PredictionService/Classify", request.SerializeToString())
        found = message("tensorflow.serving.ClassificationResponse").FromString(answer)
        return [[one.label, one.score] for one in found.result.classifications[0].classes]

    def _call(self, method: str, content: bytes) -> bytes:
        import grpc

        metadata = [("authorization", f"Bearer {self._token}")] if self._token else None
        for left in range(TRIES - 1, -1, -1):
            try:
                with self._lock:
                    call = self._channel.unary_unary(method)
                answer: bytes = call(content, metadata=metadata, timeout=TIMEOUT_S)
                return answer
            except grpc.RpcError as error:
                if not left or error.code().name not in BUSY:
                    raise self._said(error.details()) from None
                time.sleep(1)
        raise AssertionError

    def _get(self, path: str) -> Any:
        return self._request(urllib.request.Request(self._base + path))

    def _post(self, path: str, body: Any) -> Any:
        return self._request(urllib.request.Request(self._base + path, json.dumps(body).encode()))

    def _request(self, request: urllib.request.Request) -> Any:
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        for left in range(TRIES - 1, -1, -1):
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_S) as found:
                    return json.loads(found.read())
            except urllib.error.HTTPError as error:
                with error:
                    if not left or error.code != 503:
                        raise self._said(_message(error.read())) from None
                    time.sleep(min(LONGEST_S, int(error.headers.get("Retry-After") or 1)))
            except ConnectionRefusedError:
                raise self._said(NOBODY) from None
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", error)
                raise self._said(NOBODY if isinstance(reason, ConnectionRefusedError) else str(reason)) from None
        raise AssertionError

    def _said(self, text: str) -> BakeoffError:
        match = UNREADABLE.fullmatch(text)
        if text.startswith("Servable not found"):
            text += f". The model that was asked for is {self._name!r}; name another at the end: .../v1/models/NAME"
        return DataError(match[1]) if match else BakeoffError(f"{self.url}: {text}")


def row(remote: Remote, pairs: Pairs, labels: Pairs, top: int) -> dict[str, Any]:
    """What `predict` says of an image."""
    if remote.several:
        return {"labels": labels, "threshold": remote.threshold, "top": pairs[:top]}
    return {"label": pairs[0][0], "probability": pairs[0][1], "top": pairs[:top]}


def _channel(parts: SplitResult) -> Any:
    if find_spec("grpc") is None:
        raise MissingDependencyError("grpc", "serve", "grpc://")
    import grpc

    options: Sequence[tuple[str, Any]] = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    if parts.scheme == "grpcs":
        return grpc.secure_channel(parts.netloc, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(parts.netloc, options)


def _b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(body.decode("utf-8", "replace").split())[:200]
