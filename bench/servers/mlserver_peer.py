"""MLServer with the same file and the same preprocessing: python mlserver_peer.py MODEL.onnx PORT WORKERS

It writes its two files of settings beside the model, and becomes `mlserver start`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec


class Peer(MLModel):  # type: ignore[misc]
    async def load(self) -> bool:
        from photo import Net

        self.net = Net(os.environ["PEER_MODEL"])
        return True

    async def predict(self, payload: Any) -> Any:
        import numpy as np
        from mlserver.types import InferenceResponse
        from photo import prepared

        jpeg = Base64Codec.decode_input(payload.inputs[0])[0]
        found = np.array([self.net.answer(self.net.logits(prepared(jpeg)))], "float32")
        output = NumpyCodec.encode_output("probabilities", found)
        return InferenceResponse(model_name=self.name, outputs=[output])


if __name__ == "__main__":
    folder = Path(sys.argv[1]).with_suffix(".mlserver")
    folder.mkdir(exist_ok=True)
    port = int(sys.argv[2])
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    settings |= {"parallel_workers": int(sys.argv[3]), "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "photo", "implementation": "mlserver_peer.Peer"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    os.environ["PEER_MODEL"] = str(Path(sys.argv[1]).resolve())
    os.execv(str(Path(sys.executable).with_name("mlserver")), ["mlserver", "start", str(folder)])
