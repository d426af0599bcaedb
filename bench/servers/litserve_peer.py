"""LitServe with the same file and the same preprocessing: python litserve_peer.py MODEL.onnx PORT WORKERS"""

from __future__ import annotations

import base64
import sys
from typing import Any

import litserve
from photo import Net, prepared


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.net = Net(sys.argv[1])

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # a kind would make it a parameter of the URL
        return prepared(base64.b64decode(request["b64"]))

    def predict(self, images: Any) -> Any:
        return self.net.logits(images)

    def encode_response(self, logits: Any) -> dict[str, Any]:
        return {"probabilities": Net.answer(logits)}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=int(sys.argv[3]))
    server.run(port=int(sys.argv[2]), generate_client_file=False, log_level="error")
