"""One HTML file that says how a training or a comparison went: `report(run)`."""

from bakeoff.reports.page import report

__all__ = ["report"]
