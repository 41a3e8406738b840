r"""What every statistic reads of a series: location, scale, lag-1 correlation, resolution, rhythm.

Per series and observed sample :math:`x_t`, with gain :math:`g = 1/\min(n, N)`:

.. math::
    d_t = x_t - \mu_{t-1},\quad
    \mu_t = \mu_{t-1} + g\,\psi(d_t),\quad
    m_t = m_{t-1} + g\,(|\psi(d_t)| - m_{t-1}),\quad
    \psi(d) = \max(-4s, \min(d, 4s))

where :math:`s = \max(\sqrt{\pi/2}\,m, \text{resolution})` (Huber 1964; the mean absolute deviation
of a normal law is :math:`\sigma\sqrt{2/\pi}`). The resolution is the smallest change ever seen.
Before any change it is infinite, so that a flat series scores exactly 0. The whitened
:math:`e_t = (d_t - \varphi d_{t-1})/s_e` is what CUSUM limits are computed for.

Test comes before training: scores read the state of before the sample.
"""

from dataclasses import dataclass

import numpy as np

from detectors.statistics.lanes import Bools, Column, Columns, Floats, Ints, Single, State
from domain.instants import NS_PER_S

_S_PER_NS = np.float32(1 / NS_PER_S)

FROM_MAD = np.float32(np.sqrt(np.pi / 2))
CLIP = np.float32(4.0)
"""Deviations beyond this many scales teach no more than this (Huber 1964 uses 1.5 for efficiency;
4 keeps the estimate of scale free of bias, ours)."""
FREE_SAMPLES = 32
"""Samples from which a series learns without clipping, since its scale is not known yet (ours)."""
PHI_MIN, PHI_MAX = np.float32(-0.95), np.float32(0.98)
GAP_INTERVALS = np.float32(3.0)
"""After a gap of so many intervals the former sample says nothing of this one (ours)."""
_COUNT_MAX = np.float32(2**24)
_TINY = np.float32(1e-20)
Gain = Single | np.float32


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreParameters:
    """How fast a series' idea of itself changes.

    Parameters
    ----------
    slow_samples
        Memory of slow location, scale and correlation; three hours at 1 Hz (ours). A shorter one
        swallows drifts; a CUSUM limit needs the error of the location far below its allowance.
    fast_samples
        Memory of the fast location and scale (ours).
    open_share
        Share of the gain that is left while an alarm is open (ours).
    """

    slow_samples: float = 10_000.0
    fast_samples: float = 100.0
    open_share: float = 0.1


COLUMNS: Columns = {
    "count": Column(),
    "time_ns": Column("i8"),
    "interval_s": Column(),
    "last": Column("f8"),
    "before": Column(),
    "slow": Column("f8"),
    "fast": Column("f8"),
    "slow_mad": Column(),
    "fast_mad": Column(),
    "jump_mad": Column(),
    "noise_mad": Column(),
    "covariance": Column(),
    "variance": Column(),
    "resolution": Column(fill=np.inf),
}


@dataclass(slots=True, kw_only=True)
class Frame:
    """One observed sample of each of k lanes, in the series' own units.

    Attributes
    ----------
    value
        float64[k].
    event_ns
        int64[k].
    count
        Samples seen before this one.
    fewest
        The least of them.
    phi
        Lag-1 correlation.
    z
        Deviation from the slow location in scales.
    fast_z
        Deviation from the fast location in fast scales, or slow ones where those are larger: under
        correlation a short memory finds quiet stretches by chance.
    jump
        Change since the last sample, in its own scales.
    white
        Whitened deviation, about standard normal.
    bounded
        The same within four scales.
    same
        Whether the value repeats the last one exactly.
    gap_s
        Time since the last sample, 0 for the first.
    interval_s
        Mean of that time so far.
    deviation, before, change, scale, noise
        d, d of the former sample, their difference, s, and d less its prediction, in units of the
        value.
    """

    value: Floats
    event_ns: Ints
    count: Single
    fewest: float
    phi: Single
    z: Single
    fast_z: Single
    jump: Single
    white: Single
    bounded: Single
    fast_scale: Single
    change_scale: Single
    noise_scale: Single
    same: Bools
    gap_s: Single
    interval_s: Single
    deviation: Single
    before: Single
    change: Single
    fast_deviation: Single
    scale: Single
    noise: Single


def frame(state: State, value: Floats, event_ns: Ints) -> Frame:
    """Look at one sample of each lane with what was known before it."""
    resolution, count, before = state["resolution"], state["count"], state["before"].copy()
    fewest = float(count.min(initial=_COUNT_MAX))
    wide = value - state["slow"]
    deviation = wide.astype(np.float32)
    fast = np.subtract(value, state["fast"], out=wide).astype(np.float32)
    gap_s = (event_ns - state["time_ns"]).astype(np.float32)
    gap_s *= _S_PER_NS
    same = value == state["last"]
    apart = gap_s > GAP_INTERVALS * state["interval_s"]
    if fewest == 0:
        first = count == 0
        for part in (gap_s, deviation, fast):
            part[first] = 0
        apart |= first
        same &= ~first
    scale = _scale(state["slow_mad"], resolution)
    noise_scale = _scale(state["noise_mad"], resolution)
    change_scale = _scale(state["jump_mad"], resolution)
    fast_scale = _scale(state["fast_mad"], resolution)
    phi = _correlation(state)
    change = deviation - before
    noise = phi * before
    np.subtract(deviation, noise, out=noise)
    if apart.any():
        before[apart], change[apart] = 0, 0
        noise[apart] = (deviation * np.sqrt(1 - phi * phi))[apart]
    white = noise / noise_scale
    return Frame(
        value=value,
        event_ns=event_ns,
        count=count,
        fewest=fewest,
        phi=phi,
        z=deviation / scale,
        fast_z=fast / np.maximum(fast_scale, scale),
        jump=change / change_scale,
        white=white,
        bounded=_bounded(white, CLIP),
        fast_scale=fast_scale,
        change_scale=change_scale,
        noise_scale=noise_scale,
        same=same,
        gap_s=gap_s,
        interval_s=state["interval_s"],
        deviation=deviation,
        before=before,
        change=change,
        fast_deviation=fast,
        scale=scale,
        noise=noise,
    )


def _scale(mad: Single, resolution: Single) -> Single:
    scale: Single = mad * FROM_MAD
    return np.maximum(scale, resolution, out=scale)


def _correlation(state: State) -> Single:
    phi: Single = np.maximum(state["variance"], _TINY)
    np.divide(state["covariance"], phi, out=phi)
    np.maximum(phi, PHI_MIN, out=phi)
    return np.minimum(phi, PHI_MAX, out=phi)


def _bounded(value: Single, limit: np.float32) -> Single:
    bounded: Single = np.minimum(value, limit)
    return np.maximum(bounded, -limit, out=bounded)


def learn(state: State, seen: Frame, slowed: Bools | None, parameters: CoreParameters) -> None:
    """Train on a frame; lanes in ``slowed`` (alarm open) at a share of the gain."""
    number = seen.count + 1
    slow_gain = _gain(number, parameters.slow_samples, seen.fewest)
    fast_gain = _gain(number, parameters.fast_samples, seen.fewest)
    rhythm_gain = _gain(np.maximum(seen.count, 1), parameters.slow_samples, seen.fewest)
    if slowed is not None and slowed.any():
        share = np.where(slowed, np.float32(parameters.open_share), np.float32(1))
        slow_gain, fast_gain = slow_gain * share, fast_gain * share
    free = None if seen.fewest >= FREE_SAMPLES else seen.count < FREE_SAMPLES
    if seen.fewest == 0:
        first = seen.count == 0
        for name in ("slow", "fast"):
            state[name][first] = seen.value[first]
    step = _track(state, "slow", seen.deviation, seen.scale, slow_gain, free)
    np.subtract(seen.deviation, step, out=state["before"])
    _track(state, "fast", seen.fast_deviation, seen.fast_scale, fast_gain, free)
    size = np.abs(seen.change)
    _resolve(state, seen, size)
    _spread(state, "jump_mad", size, seen.change_scale, slow_gain, free)
    _spread(state, "noise_mad", np.abs(seen.noise), seen.noise_scale, slow_gain, free)
    _correlate(state, seen, slow_gain)
    _rhythm(state, seen, rhythm_gain)
    state["last"][:] = seen.value
    state["time_ns"][:] = seen.event_ns
    np.minimum(number, _COUNT_MAX, out=state["count"])


def _gain(number: Single, memory: float, fewest: float) -> Gain:
    """One over the samples so far, at most over the memory; one number where all have so many."""
    if fewest >= memory:
        return np.float32(1) / np.float32(memory)
    gain: Single = np.minimum(number, np.float32(memory))
    return np.divide(np.float32(1), gain, out=gain)


def _limit(scale: Single, free: Bools | None) -> Single:
    limit: Single = scale * CLIP
    if free is not None:
        limit[free] = np.inf
    return limit


def _track(
    state: State, name: str, deviation: Single, scale: Single, gain: Gain, free: Bools | None
) -> Single:
    """Move a location and its scale; return by how much the location moved."""
    limit = _limit(scale, free)
    bounded = np.minimum(deviation, limit)
    np.maximum(bounded, np.negative(limit, out=limit), out=bounded)
    step: Single = np.multiply(gain, bounded, out=limit)
    state[name] += step
    _approach(state[name + "_mad"], np.abs(bounded, out=bounded), gain)
    return step


def _spread(
    state: State, name: str, size: Single, scale: Single, gain: Gain, free: Bools | None
) -> None:
    """Move a scale towards a size, which is used up."""
    _approach(state[name], np.minimum(size, _limit(scale, free), out=size), gain)


def _approach(mean: Single, value: Single, gain: Gain) -> None:
    """Move a mean towards a value, which is used up."""
    value -= mean
    value *= gain
    mean += value


def _correlate(state: State, seen: Frame, gain: Gain) -> None:
    now = _bounded(seen.z, CLIP)
    before = seen.before / seen.scale
    np.minimum(before, CLIP, out=before)
    np.maximum(before, -CLIP, out=before)
    before *= now
    _approach(state["covariance"], before, gain)
    now *= now
    _approach(state["variance"], now, gain)


def _rhythm(state: State, seen: Frame, gain: Gain) -> None:
    limit = state["interval_s"] * GAP_INTERVALS
    if seen.fewest < FREE_SAMPLES:
        limit[seen.count < FREE_SAMPLES] = np.inf
    _approach(state["interval_s"], np.minimum(seen.gap_s, limit, out=limit), gain)


def _resolve(state: State, seen: Frame, size: Single) -> None:
    """Note the smallest change ever seen; finer ones get rare quickly."""
    resolution = state["resolution"]
    finer = size < resolution
    if finer.any():
        chosen = np.flatnonzero(finer)
        chosen = chosen[~seen.same[chosen] & (seen.count[chosen] > 0)]
        exact = np.abs(seen.value[chosen] - state["last"][chosen]).astype(np.float32)
        resolution[chosen] = np.minimum(resolution[chosen], exact)
