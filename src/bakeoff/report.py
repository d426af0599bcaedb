"""`from bakeoff.report import build`, as 0.1 had it, until 0.3; `bakeoff.report` is a function now, and stays one."""

from __future__ import annotations

import sys
from typing import Any

from bakeoff import moved
from bakeoff.reports import report

build = moved.get(__name__, "build", moved.HOMES[__name__, "build"])
setattr(report, "build", build)  # noqa: B010 - mypy knows no attributes of functions
module: Any = report
sys.modules[__name__] = module
