"""One HTML file that says how a training or a comparison went: `build(run_path)`."""

from bakeoff.report.page import build

__all__ = ["build"]
