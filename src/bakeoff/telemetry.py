"""What forbids the libraries below to tell their makers anything: the one place that sets it, before any of them loads.

Most of them read their switch when they are imported. `import bakeoff` therefore sets all of them in the environment,
which workers and other children inherit. What is already loaded is asked to stop by its own function: ONNX Runtime has
then written its device id and event database, and sends nothing more. MLflow, Ray and OpenVINO can't be asked: of
these, Bakeoff has to be imported first. What a user has set to anything stays as it is.
"""

from __future__ import annotations

import importlib
import os
import sys

SWITCHES = {
    "DO_NOT_TRACK": "1",  # huggingface_hub, hf-xet, and whoever else keeps to donottrack.sh
    "DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, transformers, timm, datasets
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime from 1.31 on
    "RAY_USAGE_STATS_ENABLED": "0",
}


def forbid() -> None:
    """Set every switch that the user hasn't, and stop what was loaded before."""
    ours = [name for name in SWITCHES if not os.environ.get(name)]
    os.environ.update({name: SWITCHES[name] for name in ours})
    if (
        "openvino" not in sys.modules
    ):  # it tells of each import, unasked, and has no switch but a file in the user's home
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # as if it weren't installed
    runtime, hub = sys.modules.get("onnxruntime"), sys.modules.get("huggingface_hub.constants")
    if runtime is not None and "ORT_DISABLE_TELEMETRY" in ours:
        runtime.disable_telemetry_events()
    if hub is not None and "HF_HUB_DISABLE_TELEMETRY" in ours:
        hub.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]


def without_probe() -> None:
    """Import urllib3, which TensorFlow loads, without the IPv6 socket that it binds to see whether it could.

    What it learns by that it may as well learn when it connects: addresses that lead nowhere are passed over.
    """
    if "urllib3" in sys.modules:
        return
    import socket

    known, socket.has_ipv6 = socket.has_ipv6, False
    try:
        importlib.import_module("urllib3.util.connection").HAS_IPV6 = known  # type: ignore[attr-defined]
    except ImportError:
        pass
    finally:
        socket.has_ipv6 = known
