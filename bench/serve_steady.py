"""What a server keeps while things change: versions swapped under load, one of two restarted, and the cost of a tensor.

python bench/serve_steady.py [SWAPS] [RESTARTS] [PAIRS]

Each of four clients asks as soon as it has its answer. Two nets take turns as the newest version; the class names of
each begin with its own letter, and its probabilities are its own, so an answer of parts of both would show. Of two
servers one after the other is ended, by SIGTERM and by SIGKILL in turn, behind a client that asks the other one again.
A tensor by gRPC and by KServe's binary form is timed in turns with the engine alone, in the same rounds.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import _common
import grpc
import numpy as np

from bakeoff.bundle import Bundle, write
from bakeoff.evaluation.opening import open_model
from bakeoff.models import efficientnet_lite0, mnist_cnn_small
from bakeoff.preprocessing import Signature
from bakeoff.runtimes import freed
from bakeoff.serving.messages import message
from bakeoff.serving.models import Given
from bakeoff.serving.server import Server
from bakeoff.serving.settings import Settings

CLIENTS, TRIES, MARGIN_MS = 4, 20, 1.0
IMAGE = {"inputs": np.zeros((1, 28, 28, 1), np.uint8).tolist(), "signature_name": "serve_images"}
Answer = dict[str, Any]


def small(path: Path, letter: str, seed: int) -> Path:
    graph = mnist_cnn_small.build((28, 28), 1, 10, seed)
    return write(path, Bundle(graph, Signature((28, 28), 1), tuple(f"{letter}{number}" for number in range(10))))


def asked(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request("POST", path, body, headers or {})
        response = link.getresponse()
        found = response.read()
    finally:
        link.close()
    if response.status != 200:
        raise OSError(f"{response.status}: {found[:100]!r}")
    return found


def under_load(ask: Callable[[], Answer], change: Callable[[], None]) -> tuple[list[Answer], list[str]]:
    """All answers while something changes, and what became of the others."""
    answers, failed, over = list[Answer](), list[str](), threading.Event()

    def client() -> None:
        while not over.is_set():
            try:
                answers.append(ask())
            except OSError as error:
                failed.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        change()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return answers, failed


def swaps(folder: Path, count: int) -> None:
    nets = [small(folder / letter, letter, seed) for seed, letter in enumerate("ab")]
    truth = {}
    versions = folder / "versions"
    shutil.copytree(nets[1], versions / "1")
    settings = Settings(rest_port=0, grpc_port=None, grace_s=0.0, poll_s=0.05)
    with Server([Given("net", versions)], settings, say=lambda line: None) as server:
        body, port = json.dumps(IMAGE).encode(), server.rest_port

        def ask() -> Answer:
            found: Answer = json.loads(asked(port, "/v1/models/net:predict", body))["outputs"]
            return {"label": found["labels"][0][0], "shares": tuple(found["probabilities"][0])}

        def change() -> None:
            for number in range(2, count + 2):
                shutil.copytree(nets[number % 2], folder / "next")
                (folder / "next").rename(versions / str(number))
                while list(server.models.available("net")) != [number]:
                    time.sleep(0.01)
                shutil.rmtree(versions / str(number - 1))

        for letter, net in zip("ab", nets, strict=True):
            opened = open_model(net, 1)
            zeros = np.zeros((1, 28, 28, 1), np.float32)
            logits = opened.runtime.predict(zeros)[0].astype(np.float64)
            truth[letter] = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        answers, failed = under_load(ask, change)
    mixed = sum(np.abs(np.array(one["shares"]) - truth[one["label"]]).max() > 1e-5 for one in answers)
    seen = {letter: sum(one["label"] == letter for one in answers) for letter in "ab"}
    figure = f"{count} swaps under load: {len(answers):,} answers {seen}, {len(failed)} dropped, {mixed} mixed"
    _common.say(figure, not failed and not mixed and min(seen.values()) > 0)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def restarts(folder: Path, count: int) -> None:
    net, body = small(folder / "net", "a", 0), json.dumps(IMAGE).encode()
    ports, turn = [free_port(), free_port()], iter(range(1 << 60))

    def started(port: int) -> subprocess.Popen[str]:
        words = ["serve", str(net), "--rest-port", str(port), "--grpc-port", "0", "--json", "--grace", "0.5"]
        process = subprocess.Popen([sys.executable, "-m", "bakeoff", *words], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline(), "it did not start"
        return process

    running = [started(port) for port in ports]
    retried = [0]

    def ask() -> Answer:
        for left in range(TRIES - 1, -1, -1):
            try:
                return {"found": asked(ports[next(turn) % 2], "/v1/models/net:predict", body)}
            except (OSError, http.client.HTTPException) as error:
                if not left:
                    raise OSError(str(error)) from None
                retried[0] += 1
        raise AssertionError

    def change() -> None:
        for number in range(count):
            one = number % 2
            running[one].send_signal(signal.SIGTERM if number // 2 % 2 == 0 else signal.SIGKILL)
            running[one].wait()
            running[one] = started(ports[one])

    try:
        answers, failed = under_load(ask, change)
    finally:
        for process in running:
            process.terminate()
            process.wait()
    same = len({one["found"] for one in answers}) == 1
    figure = (
        f"{count} restarts of one of two: {len(answers):,} answers, {retried[0]:,} asked again, {len(failed)} failed"
    )
    _common.say(figure, not failed and same)


def tensor(folder: Path, pairs: int) -> None:
    graph = efficientnet_lite0.build(classes=10)
    names = tuple(f"class {number}" for number in range(10))
    net = write(folder / "lite0", Bundle(graph, efficientnet_lite0.SIGNATURE, names))
    image = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    engine = freed(open_model(net, 1)).runtime
    request = message("tensorflow.serving.PredictRequest")()
    request.model_spec.name, request.model_spec.signature_name = "lite0", "serve_tensor"
    held = request.inputs["input"]
    held.dtype, held.tensor_content = 1, image.tobytes()
    for size in image.shape:
        held.tensor_shape.dim.add(size=size)
    content = request.SerializeToString()
    told = {"name": "input", "datatype": "FP32", "shape": list(image.shape)}
    said = json.dumps({"inputs": [{**told, "parameters": {"binary_data_size": image.nbytes}}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(said)), "Content-Type": "application/octet-stream"}
    words = ["serve", str(net), "--rest-port", "0", "--grpc-port", "0", "--json", "--grace", "0"]
    with subprocess.Popen([sys.executable, "-m", "bakeoff", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        link = http.client.HTTPConnection("127.0.0.1", ready["rest_port"], timeout=30)
        with grpc.insecure_channel(f"127.0.0.1:{ready['grpc_port']}") as channel:
            call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

            def binary() -> None:
                link.request("POST", "/v2/models/lite0/infer", said + image.tobytes(), headers)
                link.getresponse().read()

            sides: dict[str, Callable[[], Any]] = {
                "engine": lambda: engine.predict(image),
                "gRPC": lambda: call(content),
                "binary V2": binary,
            }
            times: dict[str, list[float]] = {name: [] for name in sides}
            for turn in range(pairs + 10):
                for name, ask in sides.items():
                    begun = time.perf_counter()
                    ask()
                    if turn >= 10:
                        times[name].append(1000 * (time.perf_counter() - begun))
        process.terminate()
    bare = median(times["engine"])
    for name in ("gRPC", "binary V2"):
        more = median(times[name]) - bare
        least = min(times[name]) - min(times["engine"])  # what a busy machine leaves to be seen
        figure = f"a tensor by {name}: p50 {bare:.2f} + {more:.2f} ms, wanted {MARGIN_MS}; least {least:+.2f}"
        _common.say(figure, more <= MARGIN_MS)
    print(f"load of the machine {os.getloadavg()[0]:.1f}")


def main(count: int = 100, times: int = 20, pairs: int = 300) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        tensor(Path(name), pairs)
        swaps(Path(name), count)
        restarts(Path(name), times)
    _common.finish()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
