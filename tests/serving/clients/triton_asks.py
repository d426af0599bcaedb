"""python triton_asks.py HTTP GRPC IMAGE...: what tritonclient is told of images' bytes, over all its ways, as JSON."""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http

OUTPUTS = ("labels", "probabilities", "logits")


def ask(module, client, contents, binary):
    tensor = module.InferInput("bytes", [len(contents)], "BYTES")
    if not binary:  # JSON holds no bytes
        contents = [base64.b64encode(each) for each in contents]
    data = np.array(contents, dtype=object)
    if module is http:
        tensor.set_data_from_numpy(data, binary_data=binary)
        outputs = [module.InferRequestedOutput(name, binary_data=binary) for name in OUTPUTS]
    else:
        tensor.set_data_from_numpy(data)
        outputs = [module.InferRequestedOutput(name) for name in OUTPUTS]
    found = client.infer("net", [tensor], outputs=outputs, request_id="7")
    told = {name: found.as_numpy(name) for name in OUTPUTS}
    return {
        "labels": [x.decode() if isinstance(x, bytes) else x for x in told["labels"].tolist()],
        **{name: told[name].tolist() for name in OUTPUTS[1:]},
    }


def main(at_http, at_grpc, *images):
    contents = [Path(image).read_bytes() for image in images]
    web, rpc = http.InferenceServerClient(at_http), grpc.InferenceServerClient(at_grpc)
    for client in (web, rpc):
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("net")
    assert "binary_tensor_data" in web.get_server_metadata()["extensions"]
    named = {each["name"]: each["datatype"] for each in web.get_model_metadata("net")["inputs"]}
    assert named["bytes"] == "BYTES", named
    try:
        web.infer("none", [http.InferInput("bytes", [1], "BYTES").set_data_from_numpy(np.array([b""], object))])
    except http.InferenceServerException as error:
        refused = str(error)
    print(
        json.dumps(
            {
                "http binary": ask(http, web, contents, True),
                "http json": ask(http, web, contents, False),
                "grpc": ask(grpc, rpc, contents, True),
                "refused": refused,
            }
        )
    )


main(*sys.argv[1:])
