"""What counts as the same, and where each number comes from: the one set of limits, whoever asks.

float64 is the judge: two implementations of one mathematics differ there by rounding alone, 1e-16 a sum, grown by depth
and steps; a mistake (a pad, an epsilon, a momentum) shows as 1e-6 at the very least. Nets that make more of a rounding
have their own noise measured: the source once more, its images and weights changed by a rounding. What is above both
1e-9 and NOISE x that noise is another mathematics. What is within the noise, and the noise above UNEXPLAINED, can't be
told from a mistake: it is not decided, and not decided isn't passed.

float32 is what people train in: what a few roundings of the start weights do there, measured beside each difference, is
the noise floor. A difference within a few times the floor says nothing more than that both computed in float32; `NOISE`
is that "few": two errors of one floor each, and another factor of two for the worst against the typical. A tolerance in
float32 may look absurd alone (gradients of a deep net, 8e-2): it says how little float32 can show; float64 decides.
"""

from __future__ import annotations

JUDGE = 2  # of which a certificate says that it judged: 1 was another for `convert` than for `compare`
FLOAT64 = 1e-9  # relative, after 20 steps; one step of a shallow net is at 1e-15
UNEXPLAINED = 1e-6  # in float64: where the source's own noise is larger, nothing can be decided
LOGITS = 1e-5  # of the largest logit, float32: some hundred ulps; shallow and deep nets in predict mode stay below
GRADIENTS = 1e-4  # of each parameter's largest, float32
LOSSES = 1e-4  # relative, float32, over 20 steps of SGD with momentum
STATISTICS = 1e-5  # of each statistic's largest, float32, after those steps
NOISE = 4.0  # times the floor
MOST = 0.5  # in float32, whatever the floor: two nets that have nothing in common are about 1 apart, and must fail
LATE = 2  # steps: one draw of the noise may start so many later than another
SMALL = 1e-3  # of the largest loss: one below it is the rounding of logits, in float32 as likely 0
BLIND = 1e-7  # of the largest logit: images closer than this prove nothing
NOTHING = 1e-9  # of the largest array of a group: below it, in exact arithmetic, it is 0 (a bias before batch norm)


def with_noise(base: float, floor: float) -> float:
    """A tolerance in float32: the base, or NOISE x the noise floor where that is larger; at most MOST."""
    return min(MOST, max(base, NOISE * floor))


def in_float64(floor: float) -> tuple[float, float]:
    """In float64: the tolerance, and the limit above which a difference is a mistake for certain.

    Between the two nobody can say: not decided.
    """
    limit = max(FLOAT64, NOISE * floor)
    return min(UNEXPLAINED, limit), limit
