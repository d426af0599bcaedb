"""Ray Serve with the same file and the same preprocessing: python rayserve_peer.py MODEL.onnx PORT REPLICAS"""

from __future__ import annotations

import signal
import sys
from typing import Any

import ray
from photo import Net
from ray import serve


@serve.deployment
class Photos:
    def __init__(self, path: str) -> None:
        self.net = Net(path)

    async def __call__(self, request: Any) -> dict[str, Any]:
        return {"probabilities": self.net.probabilities((await request.json())["b64"])}


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, logging_level="error")  # controller and proxy count, too
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])}, logging_config={"log_level": "ERROR"})
    serve.run(Photos.options(num_replicas=int(sys.argv[3])).bind(sys.argv[1]), route_prefix="/predict")
    signal.pause()
