"""The machine that a run was made on."""

from __future__ import annotations

import os
import platform


def machine() -> dict[str, str]:
    """Versions and machine, without paths, users or hosts."""
    import importlib.metadata

    from bakeoff.version import __version__

    found = {
        "bakeoff": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": str(cpus()),
    }
    for name in ("numpy", "pillow", "onnxruntime", "scikit-learn"):
        found[name] = importlib.metadata.version(name)
    return found


def cpus() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
