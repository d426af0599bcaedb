"""What counts as the same, and where each number comes from.

float64 is the judge: two implementations of one mathematics differ there by rounding alone, 1e-16 a sum, grown by depth
and steps; a mistake (a pad, an epsilon, a momentum) shows as 1e-6 at the very least. float32 is what people train in:
what a few roundings of the start weights do there, measured beside each difference, is the noise floor. A difference
within a few times the floor says nothing more than that both computed in float32; `NOISE` is that "few": two errors of
one floor each, and another factor of two for the worst against the typical.
"""

from __future__ import annotations

LOGITS = 1e-5  # of the largest logit, float32: some hundred ulps; shallow and deep nets in predict mode stay below
GRADIENTS = 1e-4  # of each parameter's largest, float32
LOSSES = 1e-4  # relative, float32, over 20 steps of SGD with momentum
STATISTICS = 1e-5  # of each statistic's largest, float32, after those steps
FLOAT64 = 1e-9  # relative, after 20 steps; one step of a shallow net is at 1e-15
NOISE = 4.0  # times the floor
MOST = 0.5  # in float32, whatever the floor: two nets that have nothing in common are about 1 apart, and must fail


def with_noise(base: float, floor: float) -> float:
    """A tolerance in float32: the base, or NOISE x the noise floor where that is larger; at most MOST."""
    return min(MOST, max(base, NOISE * floor))
