"""What a user should know of the licence of weights before using them."""

from __future__ import annotations

NON_COMMERCIAL = ("-nc", "non-commercial", "noncommercial", "research", "fair", "swag")
FREE = ("apache", "mit", "bsd", "cc-by-4", "cc by 4", "cc0", "isc", "openrail")


def caution(licence: str | None) -> str | None:
    """A sentence about it; None where there is nothing to say.

    Args:
        licence: as the source states it; None where it doesn't.
    """
    if licence is None:
        return "the source doesn't state a licence for these weights"
    lowered = licence.lower()
    if any(word in lowered for word in NON_COMMERCIAL):
        return f"not for commercial use: {licence}"
    if any(word in lowered for word in FREE) and "not stated" not in lowered:
        return None
    return f"read the licence of these weights first: {licence}"
