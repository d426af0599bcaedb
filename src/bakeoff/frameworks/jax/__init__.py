"""JAX through Keras: the same keras.Model, jax.value_and_grad over its stateless call, compiled by XLA."""

from __future__ import annotations

import os
from typing import Any

from bakeoff import precision as precisions
from bakeoff.errors import UsageError


def native(
    graph: Any,
    *,
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
    batch_norm: str = "exact",
    seed: int = 0,
) -> Any:
    """A `JaxNet`; see `bakeoff.protocols.Framework`. XLA takes its threads from the environment, at import."""
    if device == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if precision == "float64":
        os.environ["JAX_ENABLE_X64"] = "1"
    import jax
    import keras

    if precision == "float64":
        from bakeoff.frameworks._keras.float64 import enable

        jax.config.update("jax_enable_x64", True)
        enable()
    if device == "cuda" and jax.default_backend() != "gpu":
        raise UsageError("--device cuda: JAX sees no GPU here. Use --device cpu, or auto.")
    precisions.check_device(precision, "cuda" if device != "cpu" and jax.default_backend() == "gpu" else "cpu")
    from bakeoff.frameworks.jax.net import JaxNet

    keras.utils.set_random_seed(seed % 2**32)
    return JaxNet(graph, precision, batch_norm, seed)


def found_device() -> str:
    """What `auto` comes to here: cuda or cpu."""
    import jax

    return "cuda" if jax.default_backend() == "gpu" else "cpu"


def environment() -> dict[str, str]:
    """Versions and device."""
    import jax
    import keras

    return {"jax": jax.__version__, "keras": keras.__version__, "jax device": str(jax.devices()[0])}
