"""One HTML file that says how a training or a comparison went: `report(run)`."""

from bakeoff.reports.render import report

__all__ = ["report"]
