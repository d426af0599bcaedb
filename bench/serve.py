"""Requests a second, JPEG in JSON, EfficientNet-lite0: `bakeoff serve`, LitServe, MLServer, Ray Serve, the ceiling.

python bench/serve.py [SECONDS]

The ceiling is two threads that decode and compute in this process, without any HTTP. The peers (with their best number
of workers here, two) run where `make bench-serve` has put them into an environment of their own. Turns are A B B A; an
open loop at three times what was reached tells goodput, how fast is refused, and whether memory stays flat.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import _common
import psutil

PEERS = _common.ROOT / ".venv-peers" / "bin" / "python"
HERE = Path(__file__).parent / "servers"
PORT = 18601
PATHS = {
    "litserve": ("/predict", "/health"),
    "mlserver": ("/v2/models/photo/infer", "/v2/health/ready"),
    "rayserve": ("/predict", "/-/healthz"),
}
WANTED = {"litserve": {1: 1.2, 8: 1.1, 32: 1.1}, "mlserver": {8: 1.5, 32: 1.5}, "rayserve": {8: 2.5, 32: 2.5}}
THREADS = {**os.environ, "OMP_NUM_THREADS": "1"}


def model(folder: Path) -> Path:
    from bakeoff.bundle import Bundle, write
    from bakeoff.models import efficientnet_lite0

    graph = efficientnet_lite0.build(classes=10)
    names = tuple(f"class {number}" for number in range(10))
    return write(folder / "lite0", Bundle(graph=graph, signature=efficientnet_lite0.SIGNATURE, classes=names))


def ceiling(net: Path, photos: Path, seconds: float) -> float:
    from bakeoff.evaluation.opening import open_model
    from bakeoff.preprocessing import normalize, prepare

    opened = open_model(net, 1, trust=True)
    files, done = [file.read_bytes() for file in sorted(photos.glob("*.jpg"))], [0, 0]
    end = time.perf_counter() + seconds

    def work(thread: int) -> None:
        while time.perf_counter() < end:
            pixels = prepare(files[done[thread] % len(files)], opened.signature)
            opened.runtime.predict(normalize(pixels[None], opened.signature))
            done[thread] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def load(port: int, path: str, photos: Path, clients: int, seconds: float, rate: float | None = None) -> dict[str, Any]:
    more = [] if rate is None else [str(rate)]
    command = [sys.executable, str(HERE / "load.py"), str(port), path, str(photos), str(clients), str(seconds), *more]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def memory(process: psutil.Process) -> float:
    """MiB of the process and its children: what they have for themselves (USS)."""
    return sum(one.memory_full_info().uss for one in [process, *process.children(recursive=True)]) / 2**20


@contextmanager
def ours(net: Path) -> Iterator[tuple[int, str, psutil.Process]]:
    command = [sys.executable, "-m", "bakeoff", "serve", f"{net}", "--rest-port", "0", "--grpc-port", "0", "--json"]
    with subprocess.Popen([*command, "--grace", "0"], stdout=subprocess.PIPE, text=True, env=THREADS) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        try:
            yield ready["rest_port"], f"/v1/models/{net.name}:predict", psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def peer(name: str, net: Path) -> Iterator[tuple[int, str, psutil.Process]]:
    path, health = PATHS[name]
    command = [str(PEERS), str(HERE / f"{name}_peer.py"), str(net.with_suffix(".onnx")), str(PORT), "2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=THREADS | {"PYTHONPATH": str(HERE)}, **quiet) as process:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}{health}", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        whole = psutil.Process(process.pid)
        try:
            yield PORT, path, whole
        finally:
            for one in [*whole.children(recursive=True), whole]:
                with suppress(psutil.NoSuchProcess):
                    one.terminate()


def overload(net: Path, photos: Path, seconds: float, best: float) -> None:
    with ours(net) as (port, path, process):
        load(port, path, photos, 8, 2)
        before = memory(process)
        found = load(port, path, photos, 0, seconds, 3 * best)
        after = memory(process)
    good, refused = found["200"]["per_s"], found.get("503", {"num": 0, "p99_ms": 0.0})
    others = found.keys() - {"200", "503", "seconds", "cpu_s"}
    _common.say(f"three times the load: goodput {good:.0f}/s, {good / best:.2f} of the peak", good >= 0.9 * best)
    _common.say(f"{refused['num']:,} refused, p99 {refused['p99_ms']:.0f} ms; others: {sorted(others)}", not others)
    _common.say(f"memory {before:.0f} -> {after:.0f} MiB", after < before + 100)


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        net, photos = model(folder), folder / "photos"
        photos.mkdir()
        for number, file in enumerate(sorted((_common.clothing(folder / "clothing") / "test").rglob("*.jpg"))[::19]):
            (photos / f"{number}.jpg").write_bytes(file.read_bytes())
        import bakeoff

        bakeoff.export(net, "onnx", net.with_suffix(".onnx"), unchecked=True)
        sides = [("ours", ours), *((name, partial(peer, name)) for name in PATHS if PEERS.is_file())]
        rates: dict[tuple[str, int], list[float]] = {}
        tails: dict[tuple[str, int], list[float]] = {}
        tops, sizes, generator = [], dict[str, float](), 0.0
        for turn in (sides, sides[::-1]):
            tops.append(ceiling(net, photos, seconds))
            for side, started in turn:
                with started(net) as (port, path, process):
                    load(port, path, photos, 8, 2)
                    for clients in (1, 8, 32):
                        found = load(port, path, photos, clients, seconds)
                        rates.setdefault((side, clients), []).append(found["200"]["per_s"])
                        tails.setdefault((side, clients), []).append(found["200"]["p99_ms"])
                        generator = max(generator, found["cpu_s"] / found["seconds"])
                    sizes[side] = memory(process)
        print(f"ceiling {median(tops):.0f}/s; the generator's own share of a core: {generator:.2f} at most")
        for (side, clients), found in rates.items():
            spread, tail = f"{min(found):.0f} to {max(found):.0f}", median(tails[side, clients])
            print(f"{side}, {clients} clients: {median(found):.0f}/s ({spread}), p99 {tail:.0f} ms")
        best = max(median(found) for (side, _), found in rates.items() if side == "ours")
        share = best / median(tops)
        _common.say(f"ours at its best {share:.2f} of the ceiling, wanted 0.85", share >= 0.85)
        if PEERS.is_file():
            for name, marks in WANTED.items():
                for clients, wanted in marks.items():
                    ratio = median(rates["ours", clients]) / median(rates[name, clients])
                    _common.say(f"{clients} clients: {ratio:.2f} x {name}, wanted {wanted}", ratio >= wanted)
            for clients in (1, 8, 32):
                mine, theirs = (median(tails[side, clients]) for side in ("ours", "litserve"))
                _common.say(f"{clients} clients: p99 {mine:.0f} ms, LitServe's {theirs:.0f}", mine <= theirs)
            share = sizes["ours"] / sizes["litserve"]
            _common.say(f"memory {sizes['ours']:.0f} of {sizes['litserve']:.0f} MiB, wanted half", share <= 0.5)
        else:
            print("peers left out: make bench-serve")
        overload(net, photos, 4 * seconds, best)
    _common.finish()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
