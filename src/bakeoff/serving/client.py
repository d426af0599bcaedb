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
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from bakeoff.errors import BakeoffError, DataError, MissingDependencyError, UsageError
from bakeoff.serving.messages import message
from bakeoff.serving.model import CLASSIFY, DEFAULT, ENCODED
from bakeoff.serving.tensors import strings
from bakeoff.serving.wire._tensor_proto import read, write

Pairs = list[list[Any]]
SERVICE = "/tensorflow.serving.PredictionService"
TOLD = ("unknown", "similarity")
MOST = 1 << 30  # bytes of an answer's tensor
TRIES, LONGEST_S, TIMEOUT_S = 5, 10, 60
UNREADABLE = re.compile(r"image 0 can't be read: (.*)", re.DOTALL)
PATH = re.compile(r"(?:/(v[12])(?:/models)?)?/?([^/:]*)((?:/versions/\d+|/labels/[^/:]+)?)(?::\w+|/infer)?/?")
NOBODY = "nothing answers there. Is the server running, at this port? bakeoff serve says where it listens."
BUSY = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")


class Answer(NamedTuple):
    """What a server says of an image.

    Attributes:
        pairs: all classes with their probabilities, the most probable first.
        labels: those that are given as labels.
        unknown, similarity: whether it is of no class, and how near it is to one; None: not said.
    """

    pairs: Pairs
    labels: Pairs
    unknown: bool | None = None
    similarity: float | None = None


class Remote:
    """A model of a server.

    Attributes:
        threshold: of several labels an image; None where it has one, or the server doesn't say.
        several: whether images have several labels.
        tells: whether it says which images are of no class.
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
        self._lock, self.threshold, self.several, self.tells = threading.Lock(), None, False, False
        self._classes: list[str] = []
        self._learn()

    def ask(self, content: bytes) -> Answer:
        """What it says of an image.

        Raises:
            DataError: the image can't be read.
            BakeoffError: the server refuses, or isn't there.
        """
        if not (self._v2 or self.tells or self.several):
            pairs = self._classified(content)
            return Answer(pairs, pairs[:1])
        found = self._inferred(content) if self._v2 else self._predicted(content)
        shares = found["probabilities"]
        pairs = [[name, share] for name, share in zip(self._names(content, shares), shares, strict=True)]
        given = [pair for pair, name in zip(pairs, found["labels"], strict=True) if name] if self.several else pairs
        pairs, given = (sorted(some, key=lambda pair: -pair[1]) for some in (pairs, given))
        near = (found["unknown"], found["similarity"]) if self.tells else (None, None)
        return Answer(pairs, given if self.several else given[:1], *near)

    def _learn(self) -> None:
        """What the model is like, as far as the server says."""
        outputs = self._outputs()
        self.tells = {"unknown", "similarity"} <= outputs.keys()
        self.several = outputs.get("labels", 1) == 2
        if self._channel is None and self.several and not self._v2:
            with suppress(BakeoffError):
                self.threshold = self._get(f"/v2/models/{quote(self._name)}")["parameters"]["threshold"]

    def _outputs(self) -> dict[str, int]:
        """What the usual signature gives, and how many axes each has."""
        if self._v2:
            told = self._get(f"/v2/models/{quote(self._name)}")
            more = told.get("parameters", {})
            self._classes, self.threshold = list(more.get("classes", ())), more.get("threshold")
            return {one["name"]: len(one["shape"]) for one in told["outputs"]}
        if self._channel is None:
            told = self._get(f"{self._path()}/metadata")["metadata"]["signature_def"]["signature_def"]
            known = told.get(DEFAULT, {}).get("outputs", {})
            return {name: len(one["tensor_shape"].get("dim", ())) for name, one in known.items()}
        request = message("tensorflow.serving.GetModelMetadataRequest")(metadata_field=["signature_def"])
        self._spec(request)
        answer = self._call(f"{SERVICE}/GetModelMetadata", request, "GetModelMetadataResponse")
        made = message("tensorflow.serving.SignatureDefMap").FromString(answer.metadata["signature_def"].value)
        return {name: len(one.tensor_shape.dim) for name, one in made.signature_def[DEFAULT].outputs.items()}

    def _names(self, content: bytes, shares: list[float]) -> list[str]:
        """The classes, in the order of their probabilities.

        TensorFlow Serving says them with Classify alone, the most probable first: so of one image both are asked.
        """
        if not self._classes and self._v2:
            return [str(place) for place in range(len(shares))]
        if not self._classes:
            ranked = self._classified(content)
            order = sorted(range(len(shares)), key=lambda place: -shares[place])
            named = dict(zip(order, (name for name, _ in ranked), strict=True))
            names = [named[place] for place in range(len(shares))]
            if [share for _, share in ranked] != sorted(shares, reverse=True):  # computed twice, to other last digits
                return names
            self._classes = names
        return self._classes

    def _path(self) -> str:
        return f"/v{2 if self._v2 else 1}/models/{quote(self._name)}{self._version}"

    def _inferred(self, content: bytes) -> dict[str, Any]:
        asked = {"name": "bytes", "datatype": "BYTES", "shape": [1], "data": [_b64(content)["b64"]]}
        wanted = ["probabilities", *(["labels"] if self.several else []), *(TOLD if self.tells else ())]
        body = {"inputs": [asked], "outputs": [{"name": name} for name in wanted]}
        found = {one["name"]: one["data"] for one in self._post(f"{self._path()}/infer", body)["outputs"]}
        return {name: data[0] if name in TOLD else data for name, data in found.items()}

    def _predicted(self, content: bytes) -> dict[str, Any]:
        if self._channel is None:
            body = {"signature_name": DEFAULT, "instances": [_b64(content)]}
            found: dict[str, Any] = self._post(f"{self._path()}:predict", body)["predictions"][0]
            return found
        request = message("tensorflow.serving.PredictRequest")()
        self._spec(request).signature_name = DEFAULT
        write(strings([content]), request.inputs["bytes"])
        outputs = self._call(f"{SERVICE}/Predict", request, "PredictResponse").outputs
        return {name: read(name, one, MOST).tolist()[0] for name, one in outputs.items()}

    def _classified(self, content: bytes) -> Pairs:
        if self._channel is None:
            example = {"signature_name": CLASSIFY, "examples": [{ENCODED: _b64(content)}]}
            pairs: Pairs = self._post(f"{self._path()}:classify", example)["results"][0]
            return pairs
        request = message("tensorflow.serving.ClassificationRequest")()
        self._spec(request).signature_name = CLASSIFY
        example = request.input.example_list.examples.add()
        example.features.feature[ENCODED].bytes_list.value.append(content)
        found = self._call(f"{SERVICE}/Classify", request, "ClassificationResponse")
        return [[one.label, one.score] for one in found.result.classifications[0].classes]

    def _spec(self, request: Any) -> Any:
        """The model of a request of gRPC, named."""
        spec = request.model_spec
        spec.name = self._name
        if self._version.startswith("/versions/"):
            spec.version.value = int(self._version.rpartition("/")[2])
        elif self._version:
            spec.version_label = unquote(self._version.rpartition("/")[2])
        return spec

    def _call(self, method: str, request: Any, kind: str) -> Any:
        import grpc

        metadata = [("authorization", f"Bearer {self._token}")] if self._token else None
        for left in range(TRIES - 1, -1, -1):
            try:
                with self._lock:
                    call = self._channel.unary_unary(method)
                answer: bytes = call(request.SerializeToString(), metadata=metadata, timeout=TIMEOUT_S)
                return message(f"tensorflow.serving.{kind}").FromString(answer)
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


def row(remote: Remote, found: Answer, top: int) -> dict[str, Any]:
    """What `predict` says of an image."""
    if remote.several:
        return {"labels": found.labels, "threshold": remote.threshold, "top": found.pairs[:top]}
    (label, share), told = found.pairs[0], {"unknown": found.unknown, "similarity": found.similarity}
    return {"label": label, "probability": share, "top": found.pairs[:top], **(told if remote.tells else {})}


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
