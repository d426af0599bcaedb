"""The whole of the tests, part by part: one framework a process, several processes a part, the clock's own alone.

    python tests/parts.py          all but the slow ones
    python tests/parts.py --slow   the slow ones

Every part runs, whatever became of the one before; any failure fails all, and is named at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec

FRAMEWORKS = ("torch", "tensorflow", "jax")
# Small nets by the thousand, each compiled to be run once: XLA's optimizer would take longer than all the rest. Nets in
# training are compiled as users compile them every day; these are, among the slow tests.
SMALL = ("layouts", "mutated_lowerings", "nets", "optimizers", "ownership", "pages")
SMALL_NETS = [f"tests/frameworks/test_{name}.py" for name in SMALL]
UNOPTIMIZED = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}
# Two processes with a thread each do more than one with two; what a test says of threads itself still holds.
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> int:
    """The exit code: 0 where every part passed."""
    slow = "--slow" in sys.argv
    chosen = "slow" if slow else "not slow"
    beside = ["-n", str(workers()), "--dist", "worksteal", *(["--allow-none"] if slow else [])]
    parts = {"framework-free": [*beside, "-m", f"{chosen} and not clock"]}
    for name in FRAMEWORKS:
        if find_spec(name):
            parts[name] = [*beside, "-m", chosen, "--framework", name, "tests/frameworks"]
        else:
            print(f"== {name}: left out, since it is not installed")
    if "jax" in parts:
        parts["jax: small nets"] = [*beside, "-m", "not slow", "--framework", "jax", *SMALL_NETS]
        parts["jax"] += [] if slow else [f"--ignore={path}" for path in SMALL_NETS]
    parts["held to the clock"] = ["-m", f"clock and {chosen}", *(["--allow-none"] if slow else [])]
    failed = [name for name, arguments in parts.items() if not passes(name, arguments, slow)]
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return bool(failed)


def workers() -> int:
    """As many as there are cores, and no more than memory bears: a process with a framework takes up to 3 GiB."""
    from bakeoff.system import cpus

    return max(1, min(cpus(), 4))


def passes(name: str, arguments: list[str], slow: bool) -> bool:
    """Run a part, its output as it comes."""
    print(f"== {name}", flush=True)
    began = time.monotonic()
    settings = UNOPTIMIZED if name == "jax: small nets" and not slow else {}
    command = [sys.executable, "-m", "pytest", *arguments]
    code = subprocess.run(command, env={**THREADS, **os.environ, **settings}).returncode
    print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
