"""100,000 images (hard links of the clothing photos): audit, interruption, streaming; time and peak memory of each.

python bench/hundred_thousand.py [COUNT]
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from bakeoff.data import read_data

CLOTHES = Path(__file__).parents[1] / "../shared/data/clothing-small.tar"
STREAM = """
import resource, sys, time
from bakeoff.data import read_data
from bakeoff.preprocessing import Signature
began = time.time()
data = read_data(sys.argv[1])
read = time.time() - began
count = 0
for batch in data.train.batches(signature=Signature((224, 224)), batch_size=64, workers=2):
    count += len(batch.labels)
    if count > 20000: break
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
rate = count / (time.time() - began - read)
print(f"read {len(data):,} files in {read:.0f} s; {count:,} streamed at {rate:,.0f}/s; peak {peak:.2f} GiB")
"""
AUDIT = """
import resource, sys
from bakeoff.cli import main
sys.argv = ["bakeoff", "data", "audit", sys.argv[1], "--no-labels", "--json"]
try:
    code = main()
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak {peak:.2f} GiB", file=sys.stderr)
sys.exit(code)
"""


def link(target: Path, count: int) -> None:
    """`count` hard links of the photos under `target`."""
    source = read_data(CLOTHES)
    root = Path(str(source.images.table.root))
    for number, path in enumerate(islice(cycle(source.manifest.paths.tolist()), count)):
        place = target / path.split("/", 1)[1].replace("/", f"/{number:06d}-")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(root / path, place)


def audited(target: Path, *, interrupt_s: float | None = None) -> tuple[float, int, str, str]:
    """Seconds, exit code, stdout and stderr of an audit, interrupted or not."""
    began = time.time()
    child = subprocess.Popen(
        [sys.executable, "-c", AUDIT, target],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in a shell's background
    )
    if interrupt_s is not None:
        time.sleep(interrupt_s)
        os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate()
    return time.time() - began, child.returncode, out, err


def main(count: int) -> None:
    """Print the figures."""
    from bakeoff.data import cache_root

    cache_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_root()) as folder:
        target = Path(folder) / "photos"
        link(target, count)
        time.sleep(2.5)  # a file that changed within two seconds isn't cached
        for name, interrupt_s in (("interrupted", 20.0), ("resumed", None), ("again", None)):
            seconds, code, out, err = audited(target, interrupt_s=interrupt_s)
            print(f"audit {name}: {seconds:.0f} s, exit {code}; {' | '.join(err.splitlines()[-4:])}")
            if out:
                found = json.loads(out)
                print(f"  {found['num']:,} files, {len(found['findings']):,} findings")
        streamed = subprocess.run([sys.executable, "-c", STREAM, target], capture_output=True, text=True, check=True)
        print(streamed.stdout.strip())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
