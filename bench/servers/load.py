"""Load on a server over raw sockets, in a process of its own: JPEG as base64 in JSON.

python bench/servers/load.py PORT PATH FOLDER CLIENTS SECONDS [RATE]

Without RATE each client asks again as soon as it has its answer (closed loop); with it so many requests a second are
sent whatever became of the others (open loop). Prints one JSON line: by status how many, how many a second, and the
median and 99th percentile of the milliseconds; `cpu_s` is what the generator itself took.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import time
from pathlib import Path


class Load:
    """Requests for one path, and what came of them."""

    def __init__(self, port: int, path: str, folder: Path) -> None:
        self.port, self.free = port, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
        self.done: list[tuple[str, float]] = []
        self.requests = []
        for file in sorted(folder.glob("*.jpg")):
            body = json.dumps(self.asked(path, base64.b64encode(file.read_bytes()).decode())).encode()
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            self.requests.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    @staticmethod
    def asked(path: str, text: str) -> dict[str, object]:
        """By TensorFlow Serving's protocol, KServe's V2, or a peer's own."""
        if path.endswith(":predict"):
            return {"instances": [{"b64": text}]}
        if path.endswith("/infer"):
            image = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}
            return {"inputs": [image | {"parameters": {"content_type": "base64"}}]}
        return {"b64": text}

    async def one(self) -> None:
        began = time.perf_counter()
        try:
            pair = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.port)
            status = await asyncio.wait_for(self.answered(*pair), 60)
            self.free.append(pair)
        except Exception as error:
            status = type(error).__name__
        self.done.append((status, time.perf_counter() - began))

    async def answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(random.choice(self.requests))
        head = await reader.readuntil(b"\r\n\r\n")
        sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(sizes[0].split(b":")[1]) if sizes else 0)
        return head[9:12].decode()

    async def closed(self, clients: int, seconds: float) -> None:
        end = time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < end:
                await self.one()

        await asyncio.gather(*(client() for _ in range(clients)))

    async def opened(self, rate: float, seconds: float) -> None:
        began, tasks = time.perf_counter(), []
        while time.perf_counter() - began < seconds:
            tasks.append(asyncio.create_task(self.one()))
            await asyncio.sleep(max(0.0, began + len(tasks) / rate - time.perf_counter()))
        await asyncio.gather(*tasks)


def main(port: str, path: str, folder: str, clients: str, seconds: str, rate: str = "") -> None:
    load, began, cpu = Load(int(port), path, Path(folder)), time.perf_counter(), time.process_time()
    wanted = load.opened(float(rate), float(seconds)) if rate else load.closed(int(clients), float(seconds))
    asyncio.run(wanted)
    took = time.perf_counter() - began
    found: dict[str, object] = {"seconds": took, "cpu_s": time.process_time() - cpu}
    for status in sorted({status for status, _ in load.done}):
        times = sorted(seconds for each, seconds in load.done if each == status)
        p50, p99 = (1000 * times[int(share * (len(times) - 1))] for share in (0.5, 0.99))
        found[status] = {"num": len(times), "per_s": len(times) / took, "p50_ms": p50, "p99_ms": p99}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
