"""What a server measures, as Prometheus reads it: TensorFlow Serving's two best known figures, and our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server; names of models are those that it has, so that nobody makes them many."""

    def __init__(self, workers: Any) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
        self._answers = Counter(
            "bakeoff_requests", "Requests by outcome.", ["protocol", "model", "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "bakeoff_request_seconds", "From the request to its answer.", ["protocol", "model"],
            registry=self._registry, buckets=BUCKETS,
        )  # fmt: skip
        gauges = (("waiting", "Requests that wait."), ("busy", "Requests that are computed."))
        for name, text in gauges:
            gauge = Gauge(f"bakeoff_{name}", text, registry=self._registry)
            gauge.set_function(lambda name=name: getattr(workers, name))  # type: ignore[misc]
        self._counts: dict[tuple[str, str], int] = {}
        self._registry.register(self)  # type: ignore[arg-type]

    def count(self, protocol: str, model: str, code: str, seconds: float) -> None:
        """Note an answer; of no model: ""."""
        self._answers.labels(protocol, model, code).inc()
        if model:
            self._seconds.labels(protocol, model).observe(seconds)
            key = (model, code)
            self._counts[key] = self._counts.get(key, 0) + 1

    def collect(self) -> Iterator[Any]:
        """TensorFlow Serving's count, whose name has a form of its own."""
        from prometheus_client.core import Metric

        found = Metric(":tensorflow:serving:request_count", "The total number of requests.", "untyped")
        for (model, code), count in sorted(self._counts.items()):
            found.add_sample(found.name, {"model_name": model, "status": code}, count)
        yield found

    def text(self) -> bytes:
        """All of it, in the text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)
