"""Users' own nets through `bakeoff.convert`, judged by a comparison that shares nothing with Bakeoff's own.

    python judge.py                          all nets, each in a process of its own; a table; exit 1 where one is wrong
    python judge.py NET NET ... --out DIR    some of them; answers that lie in DIR are kept (--again: asked anew)
    python judge.py --here NET ...           in this process
    python judge.py --quick                  fewer sizes, batches and steps

The live source and the converted model are run in float64, in plain PyTorch and plain Keras: logits at 6 sizes, 5
batch sizes and on 4 kinds of pictures; 5 steps of SGD with momentum on noise, black, constant and saturated pictures,
with the regularised loss and the source's own random draws; single steps at other sizes and batches and from fresh
weights (zero biases). Weights are matched by their numbers, which are all different, so that no name and no layout of
Bakeoff's is believed. Whatever a check finds above 1e-9 is held against four times what the source itself makes of
weights changed by a rounding; a limit above 1e-6 is called undecided.

Outcomes: right, declared (the certificate says what training loses), refused (one clear line), WRONG, crash.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from one_net import DEADLINE_S, HERE, MODULES, SRC, one, registered

MOST_REFUSED = 12


def child(name: str, out: Path, quick: bool) -> dict[str, Any]:
    """A net in a process of its own, whose answer is kept in a file."""
    path = out / f"{name}.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    line = [sys.executable, str(HERE / "judge.py"), "--here", name, "--out", str(out), *(["--quick"] if quick else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(SRC)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=3 * DEADLINE_S)
    if not path.is_file():
        why = f"the process ended with {done.returncode}: {(done.stderr.strip().splitlines() or [''])[-1][:200]}"
        answer = {"net": name, "to": MODULES[registered()[name]], "outcome": "crash", "why": why, "seconds": 0}
        path.write_text(json.dumps(answer, indent=1))
    return dict(json.loads(path.read_text()))


def table(answers: list[dict[str, Any]]) -> str:
    """A line a net, the worst first."""
    lines = []
    for a in answers:
        first = a.get("rows") or []
        why = a.get("why") or "; ".join(f"{r[0]} {float(r[1]):.1e} at {r[3]}" for r in first[:2])
        more = "".join(f" [the call changed {what}]" for what in a.get("disturbed", []))
        note = " (a note only)" if a["outcome"] == "WRONG" and a.get("notes") else ""
        lines.append(f"{a['outcome']:9} {a['net']:26} {a['to']:6} {a['seconds']:6.0f} s  {why}{more}{note}")
    counts = {
        kind: sum(a["outcome"] == kind for a in answers) for kind in ("right", "declared", "refused", "WRONG", "crash")
    }
    return "\n".join([*lines, ", ".join(f"{count} {kind}" for kind, count in counts.items())])


def main() -> int:
    """The exit code: 0 where nothing is wrong, nothing crashed, and few were refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*")
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("own_nets"))
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    names = given.nets or list(registered())
    given.out.mkdir(parents=True, exist_ok=True)
    if given.again:
        for name in names:
            (given.out / f"{name}.json").unlink(missing_ok=True)
    if given.here:
        answers = []
        for name in names:
            path = given.out / f"{name}.json"
            if not path.is_file():
                path.write_text(json.dumps(one(name, given.quick), indent=1, default=str))
            answers.append(dict(json.loads(path.read_text())))
    else:
        with ThreadPoolExecutor(given.jobs) as pool:
            answers = list(pool.map(lambda name: child(name, given.out, given.quick), names))
    print(table(answers))
    bad = any(a["outcome"] in ("WRONG", "crash") or a.get("disturbed") for a in answers)
    return int(bad or sum(a["outcome"] == "refused" for a in answers) > MOST_REFUSED)


if __name__ == "__main__":
    sys.exit(main())
