"""A conversion doesn't hang on what surrounds the call, and leaves it as it was: modes, precisions, seeds, layouts.

A caller may stand within `torch.no_grad()`, under autocast, with another default device or precision, or in the midst
of draws that have to be repeated. Only what is imported already is looked at.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside it, gradients can be had and 32 bits are 32 bits; afterwards all is as before, after errors, too."""
    python, numpy = random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        stack.callback(np.random.set_state, numpy)
        stack.callback(random.setstate, python)
        for name, keep in (("torch", _torch), ("keras", _keras), ("tensorflow", _tensorflow)):
            if name in sys.modules:
                keep(sys.modules[name], stack)
        yield


def _torch(torch: Any, stack: ExitStack) -> None:
    stack.callback(torch.set_rng_state, torch.get_rng_state())
    stack.callback(torch.set_default_dtype, torch.get_default_dtype())
    stack.callback(torch.set_num_threads, torch.get_num_threads())
    stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    torch.set_float32_matmul_precision("highest")
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.enable_grad())
    stack.enter_context(torch.autocast("cpu", enabled=False))
    stack.enter_context(torch.compiler.set_stance("force_eager"))  # compiled modules run as written


def _keras(keras: Any, stack: ExitStack) -> None:
    config = keras.config
    stack.callback(config.set_dtype_policy, config.dtype_policy())
    stack.callback(config.set_image_data_format, config.image_data_format())
    stack.callback(config.set_floatx, config.floatx())
    seeds = keras.src.backend.common.global_state.get_global_attribute("global_seed_generator")
    if seeds is not None:
        stack.callback(seeds.state.assign, np.array(seeds.state.value))


def _tensorflow(tensorflow: Any, stack: ExitStack) -> None:
    stack.callback(tensorflow.config.run_functions_eagerly, tensorflow.config.functions_run_eagerly())
    tensorflow.config.run_functions_eagerly(False)
    seeds = sys.modules["tensorflow.python.eager.context"].context()
    stack.callback(setattr, seeds, "_seed", seeds._seed)
    if getattr(seeds, "_rng", None) is not None:
        stack.callback(seeds._rng.setstate, seeds._rng.getstate())
