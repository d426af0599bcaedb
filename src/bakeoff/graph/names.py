"""Module paths, and what they become where a library has rules of its own."""

from __future__ import annotations

import re
from functools import cache


@cache
def torch_path(path: str) -> str:
    """A module path whose parts are legal children of an nn.Module: `train` would hide nn.Module.train, so `train_`."""
    return ".".join(_torch_part(part) for part in re.sub(r"[^\w.]", "_", path).split(".") if part)


def _torch_part(part: str) -> str:
    return f"{part}_" if part in _taken() else part


@cache
def _taken() -> frozenset[str]:
    """What nn.Module already calls its own (of torch 2; listed, so that names don't need torch)."""
    words = (
        "T_destination add_module apply bfloat16 bind buffers call_super_init children code compile cpu cuda "
        "double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter "
        "get_submodule graph half ipu load_state_dict meta modules mtia named_buffers named_children "
        "named_modules named_parameters parameters penalty print_readable recompile register_buffer register_module "
        "register_parameter requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty "
        "train training type xpu zero_grad"
    )
    return frozenset(words.split())


@cache
def keras_name(path: str) -> str:
    """A legal Keras layer name: letters, digits, dots, dashes, underscores; it may not begin with an underscore."""
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", path)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"layer{name}"
