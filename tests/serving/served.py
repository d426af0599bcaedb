"""A server with a small net of two sizes of images, and ways to ask it."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bakeoff.bundle import Bundle, write
from bakeoff.bundle.layout import Unknown
from bakeoff.graph.similarity import features_of
from bakeoff.models import mnist_cnn_small
from bakeoff.preprocessing import Signature
from bakeoff.serving.server import Server

CLASSES = ("hat", "shoes", "été", 'a "b"\\c', "<i>")
SIGNATURE = Signature((24, 32), 3, "crop", "bicubic", mean=(0.5,), std=(0.25,))


def put(path: Path, seed: int = 0, classes: tuple[str, ...] = CLASSES, **more: Any) -> Path:
    """A bundle of a small net."""
    outputs = 1 if more.get("loss") == "binary_cross_entropy" else len(classes)
    graph = mnist_cnn_small.build((24, 32), 3, outputs, seed)
    return write(path, Bundle(graph=graph, signature=SIGNATURE, classes=classes, **more))


def put_telling(path: Path, threshold: float = 0.68) -> Path:
    """One that tells images of no class: of `image(seed=0, 1, 2)`, whose similarities are 0.64, 0.71 and 0.64, two."""
    body: Any = features_of(mnist_cnn_small.build((24, 32), 3, len(CLASSES)))
    means = np.abs(np.random.default_rng(0).normal(size=(len(CLASSES), body.output_shape[1])))
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    return put(path, unknown=Unknown(threshold, 1, 20, unit.astype(np.float32)))


def image(kind: str = "JPEG", size: tuple[int, int] = (60, 40), mode: str = "RGB", seed: int = 0, **save: Any) -> bytes:
    """An image of smooth noise, as a file."""
    drawn = np.random.default_rng(seed).integers(0, 256, (6, 8, 4), np.uint8)
    made = Image.fromarray(drawn, "RGBA" if mode == "RGBA" else "CMYK" if mode == "CMYK" else "RGBA").resize(size)
    content = BytesIO()
    (made if made.mode == mode else made.convert(mode)).save(content, kind, **save)
    return content.getvalue()


def b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def until(true: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


@dataclass
class Client:
    """Asks a server over HTTP."""

    server: Server

    def ask(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers; a body that isn't bytes goes as JSON."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        asked = urllib.request.Request(self.server.url + path, content, headers or {}, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30) as found:
                return found.status, found.read(), dict(found.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)

    def json(self, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        """The JSON of an answer."""
        found, content, _ = self.ask(path, body, **more)
        assert found == status, content
        return json.loads(content)

    def error(self, path: str, body: Any, status: int = 400, **more: Any) -> str:
        """The message of a refusal."""
        found = self.json(path, body, status, **more)
        assert found.keys() == {"error"}
        return str(found["error"])
