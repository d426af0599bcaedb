"""The machine that a run was made on."""

from __future__ import annotations

import platform

from bakeoff.system import cpus, system_name


def machine() -> dict[str, str]:
    """Versions and machine, without paths, users or hosts."""
    import importlib.metadata

    from bakeoff.version import __version__

    found = {
        "bakeoff": __version__,
        "python": platform.python_version(),
        "system": system_name(),
        "cpus": str(cpus()),
    }
    for name in ("numpy", "pillow", "onnxruntime", "scikit-learn"):
        found[name] = importlib.metadata.version(name)
    return found
