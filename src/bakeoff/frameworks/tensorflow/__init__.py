"""TensorFlow: a functional keras.Model, tf.GradientTape under tf.function, Keras optimizers in torch's exact form."""

from __future__ import annotations

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
    """A `TensorFlowNet`; see `bakeoff.protocols.Framework`. Threads are set before TensorFlow computes, or never."""
    import keras

    from bakeoff.frameworks.tensorflow.net import TensorFlowNet

    on = prepare(device, threads)
    precisions.check_device(precision, on)
    if precision == "float64":
        from bakeoff.frameworks._keras.float64 import enable

        enable()
    keras.utils.set_random_seed(seed % 2**32)
    return TensorFlowNet(graph, precision, batch_norm, seed)


def prepare(device: str, threads: int | None) -> str:
    """Set devices and threads, before TensorFlow computes anything; cpu or cuda: what `device` comes to.

    Raises:
        UsageError: a GPU was asked for, and there is none.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise UsageError("--device cuda: TensorFlow sees no GPU here. Use --device cpu, or auto.")
    if device == "cpu" and gpus:
        tf.config.set_visible_devices([], "GPU")
    if threads:
        _set_threads(tf, threads)
    return "cuda" if gpus and device != "cpu" else "cpu"


def found_device() -> str:
    """What `auto` comes to here: cuda or cpu."""
    import tensorflow as tf

    return "cuda" if tf.config.list_physical_devices("GPU") else "cpu"


def _set_threads(tf: Any, threads: int) -> None:
    """Once TensorFlow has computed, its pools stand; asking for the same number again is no error."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1 if threads == 1 else 2)
    except RuntimeError:
        pass


def environment() -> dict[str, str]:
    """Versions, threads and device."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "tensorflow threads": str(threads or "all"),
        "tensorflow gpu": gpus[0].name if gpus else "none",
    }
