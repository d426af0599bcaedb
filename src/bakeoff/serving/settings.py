"""How a server is to run, and what it refuses to be: open to a network without a word."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bakeoff.errors import UsageError
from bakeoff.system import cpus

MANY = 32  # requests that may wait for each thread: a tenth of a second or so


@dataclass(frozen=True)
class Settings:
    """Of a server.

    Attributes:
        host: the address to listen at.
        rest_port: of HTTP; 0: any that is free.
        grpc_port: of gRPC; 0 likewise; None: no gRPC.
        threads: that compute; None: one a core.
        queue: how many requests may wait; None: 32 a thread.
        rows: the most images a request may have.
        body_mb: the most a request may weigh, packed or not, in MiB; all together eight times as much.
        header_s: in which a request's headers have to come.
        body_s: in which its body has to come.
        timeout_s: in which it has to be answered.
        grace_s: for which a server that was told to stop goes on, and says that it isn't ready.
        connections: the most of HTTP at once.
        token: that requests have to bring; health excepted.
        open_: whether everyone on the network may ask.
        cors: whether pages of other sites may.
        cert: certificate (PEM), with `key`: TLS for both ports.
        key: its key.
        trust: load files that are made of more than what classifiers need.
        unload_first: end the old version before the new one is loaded: less memory, and a gap.
        access_log: a JSON line a request, on stderr.
        poll_s: between two looks for new versions.
        metrics_path: TensorFlow Serving's; "" has none.
        collect: a folder where pictures are kept for labelling, if the page's user says so.
        collect_mb: the most that folder may hold, in MiB.
    """

    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int | None = 8500
    threads: int | None = None
    queue: int | None = None
    rows: int = 1024
    body_mb: int = 64
    header_s: float = 10.0
    body_s: float = 30.0
    timeout_s: float = 30.0
    grace_s: float = 5.0
    connections: int = 1000
    token: str = ""
    open_: bool = False
    cors: bool = False
    cert: Path | None = None
    key: Path | None = None
    trust: bool = False
    unload_first: bool = False
    access_log: bool = False
    poll_s: float = 1.0
    metrics_path: str = "/monitoring/prometheus/metrics"
    collect: Path | None = None
    collect_mb: int = 1024

    def __post_init__(self) -> None:
        if not self.local and not self.token and not self.open_:
            raise UsageError(
                f"--host {self.host}: everyone who reaches this address could use the models.\n"
                "Ask for a secret (--token, or BAKEOFF_TOKEN), or let everyone in: --open."
            )
        if (self.cert is None) != (self.key is None):
            raise UsageError("--tls-cert and --tls-key: TLS needs both, as files of PEM.")
        if self.collect is not None and self.collect.exists() and not self.collect.is_dir():
            raise UsageError(f"--collect {self.collect}: that is no folder. Name another.")
        for file in (self.cert, self.key):
            if file is not None and not file.is_file():
                raise UsageError(f"{file}: there is no such file; expected one of PEM.")

    @property
    def local(self) -> bool:
        """Whether only this machine can ask."""
        return is_loopback(self.host)

    @property
    def cores(self) -> int:
        """Threads that compute."""
        return self.threads or cpus()

    @property
    def waiting(self) -> int:
        """Requests that may wait."""
        return MANY * self.cores if self.queue is None else self.queue

    @property
    def most(self) -> int:
        """Bytes of a request."""
        return self.body_mb << 20


@lru_cache(maxsize=64)  # asked twice a request
def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, that no other reaches."""
    if re.fullmatch(r"([\w-]+\.)*localhost\.?", host, re.ASCII | re.IGNORECASE):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
