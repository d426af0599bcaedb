"""What the benches share: where the images are, and how a figure is said."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_failed: list[str] = []


def data(name: str) -> Path:
    """A file of the shared data beside the checkout; ends the bench with a reason where it is missing."""
    path = ROOT.parent / "shared" / "data" / name
    if not path.exists():
        print(f"skipped: {name} is not beside the checkout")
        raise SystemExit(0)
    return path


def clothing(folder: Path) -> Path:
    """The clothing photos, unpacked."""
    with tarfile.open(data("clothing-small.tar")) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


def say(figure: str, reached: bool) -> None:
    """Print a figure and whether it reached what was wanted."""
    print(f"{'reached' if reached else 'FELL SHORT'}  {figure}", flush=True)
    if not reached:
        _failed.append(figure)


def finish() -> None:
    """Exit 1 where a figure fell short."""
    sys.exit(1 if _failed else 0)
