"""Serving: models behind TensorFlow Serving's and KServe's protocols, over HTTP and gRPC.

    with bakeoff.serve("runs/RUN", rest_port=0) as server:
        ...  # server.url, server.grpc_port

What computes is ONNX Runtime for runs and bundles; no framework is imported but for files that need one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bakeoff.serving.server import Server

__all__ = ["serve"]


def serve(models: str | os.PathLike[str] | Mapping[str, Any], **settings: Any) -> Server:
    """A server, to be used with `with`: it answers inside.

    Args:
        models: a run, a bundle, an exported file, or a folder of versions; or several, by name.
        settings: of `serving.settings.Settings`, as `rest_port`.

    Raises:
        BakeoffError: a model can't be loaded, a setting is wrong, or a port is taken.
    """
    from bakeoff.serving.naming import given
    from bakeoff.serving.server import Server
    from bakeoff.serving.settings import Settings

    named = models if isinstance(models, Mapping) else {"": models}
    return Server(
        [given(f"{name}={path}" if name else str(path)) for name, path in named.items()], Settings(**settings)
    )
