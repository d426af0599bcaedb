"""python kserve_asks.py HTTP GRPC IMAGE...: what KServe's own clients are told of images' bytes, as JSON."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

OUTPUTS = ("labels", "probabilities", "logits")


def told(found):
    by_name = {each.name: each.as_numpy() for each in found.outputs}
    labels = [x.decode() if isinstance(x, bytes) else x for x in by_name["labels"].tolist()]
    return {"labels": labels, **{name: by_name[name].tolist() for name in OUTPUTS[1:]}}


async def main(at_http, at_grpc, *images):
    contents = [Path(image).read_bytes() for image in images]
    tensor = InferInput("bytes", [len(contents)], "BYTES")
    tensor.set_data_from_numpy(np.array(contents, dtype=object), binary_data=True)
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await rest.is_server_ready(f"http://{at_http}")
    assert await rest.is_model_ready(f"http://{at_http}", "net")
    asked = InferRequest("net", [tensor], request_id="7")
    found = {"http": told(await rest.infer(f"http://{at_http}", asked, model_name="net"))}
    async with InferenceGRPCClient(at_grpc) as client:
        assert await client.is_server_live()
        assert await client.is_model_ready("net")
        found["grpc"] = told(await client.infer(InferRequest("net", [tensor], request_id="7")))
    print(json.dumps(found))


asyncio.run(main(*sys.argv[1:]))
