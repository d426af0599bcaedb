"""The only definition of "same": a difference, a tolerance that says where it comes from, a verdict."""

from bakeoff.parity.certificate import from_json, to_json
from bakeoff.parity.difference import check, largest, relative

__all__ = ["check", "from_json", "largest", "relative", "to_json"]
