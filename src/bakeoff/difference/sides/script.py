"""A training script of the user's own: run for a few steps under a recorder, in a process of its own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from bakeoff.difference.account import Account
from bakeoff.difference.scripts import account
from bakeoff.difference.sides import Given
from bakeoff.errors import DataError, UnsupportedError
from bakeoff.files import workspace
from bakeoff.workers.launch import Worker

READS, PLACE = "a training script (.py)", 3
BACKEND = re.compile(r"KERAS_BACKEND[^\n]*?(jax|torch)")


def accepts(text: str) -> bool:
    """Whether it is a Python file."""
    return text.endswith(".py") and Path(text).is_file()


def opened(text: str, given: Given) -> Account:
    """Its settings, net and first steps."""
    path = Path(text).resolve()
    source = path.read_text(encoding="utf-8", errors="replace")
    framework = framework_of(source, text)
    with workspace("explain") as folder, Worker(framework) as worker:
        call = {"script": str(path), "framework": framework, "steps": given.steps, "folder": str(folder)}
        worker.call("bakeoff.difference.recording:record", **call)
        return account(text, source, folder)


def framework_of(source: str, text: str) -> str:
    """torch or tensorflow, by what a script imports.

    Raises:
        DataError: it imports none of them, or isn't Python.
        UnsupportedError: Keras on another backend than TensorFlow, or JAX.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise DataError(f"{text}: not Python ({error.msg}, line {error.lineno}).") from None
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    tops = {name.partition(".")[0] for name in found}
    backend = BACKEND.search(source)
    if tops & {"tensorflow", "keras"}:
        if backend:
            raise UnsupportedError(f"{text}: Keras on {backend[1]}; scripts are recorded in PyTorch and TensorFlow.")
        return "tensorflow"
    if "torch" in tops:
        return "torch"
    if tops & {"jax", "flax", "optax"}:
        raise UnsupportedError(f"{text}: a script of JAX can't be recorded yet; PyTorch's and Keras's can.")
    raise DataError(f"{text}: it imports neither torch nor keras or tensorflow. Give a script that trains by itself.")
