"""The only definition of "same": what a net is asked, what it answered, the noise, the limits, a verdict.

trial       what a net is asked
trace       what it answered
noise       how far rounding alone carries it
tolerance   the one set of limits, and where each comes from
judge       from traces to checks
"""

from bakeoff.parity.certificate import from_json, to_json
from bakeoff.parity.difference import check, largest, relative
from bakeoff.parity.trace import Trace

__all__ = ["Trace", "check", "from_json", "largest", "relative", "to_json"]
