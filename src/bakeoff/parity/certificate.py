"""Certificates as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bakeoff.errors import VersionError
from bakeoff.schemas import SCHEMA, Certificate, Check, Declared


def to_json(certificate: Certificate) -> dict[str, Any]:
    """A plain dict; a difference that isn't finite is null."""
    return {
        "schema": certificate.schema,
        "passed": certificate.passed,
        "verdict": certificate.verdict,
        "declared": [asdict(one) for one in certificate.declared],
        "checks": [
            {
                "name": check.name,
                "difference": check.difference if math.isfinite(check.difference) else None,
                "tolerance": check.tolerance,
                "passed": check.passed,
                "detail": check.detail,
                **({} if check.decided else {"decided": False}),
            }
            for check in certificate.checks
        ],
        "environment": dict(certificate.environment),
    }


def from_json(value: Mapping[str, Any]) -> Certificate:
    """The certificate that `to_json` wrote.

    Raises:
        VersionError: another schema.
    """
    if value.get("schema") != SCHEMA:
        raise VersionError(
            f"certificate: schema {value.get('schema')!r}; this version reads {SCHEMA}. Run the check again."
        )
    checks = []
    for row in value["checks"]:
        difference = math.inf if row["difference"] is None else float(row["difference"])
        passed = math.isfinite(difference) and difference <= row["tolerance"]
        decided = passed or bool(row.get("decided", True))
        checks.append(Check(row["name"], difference, row["tolerance"], passed, row.get("detail", ""), decided))
    declared = tuple(Declared(**{**row, "where": tuple(row["where"])}) for row in value.get("declared", ()))
    return Certificate(tuple(checks), dict(value.get("environment", {})), declared=declared)
