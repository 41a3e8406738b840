"""Core and statistics once more, for one series and one sample at a time, in plain Python.

Written from what the modules of `detectors.statistics` say they do: the reference that tests hold
them to, and the floor that ``equipwatch bench detect`` compares with.
"""

import cmath
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FREE, WARM, KNOWN, SURE, WINDOW = 32, 2_000, 30, 1_000, 1 / 150
ROOT = math.sqrt(math.pi / 2)


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the core says of one sample."""

    count: int
    phi: float
    z: float
    fast_z: float
    jump: float
    white: float
    same: bool
    gap: float
    interval: float
    flat: bool


def clip(value: float, bound: float) -> float:
    """A value held within a bound on both sides."""
    return max(-bound, min(bound, value))


def core(times: Sequence[float], values: Sequence[float]) -> Iterator[Seen]:
    """What the core says of each sample of a series."""
    n, last, time, interval, least = 0, 0.0, 0.0, 0.0, math.inf
    slow = fast = slow_mad = fast_mad = jump_mad = noise_mad = cov = var = 0.0
    for t, x in zip(times, values, strict=True):
        if n == 0:
            slow = fast = last = x
        d, p, f = x - slow, last - slow, x - fast
        gap = t - time if n else 0.0
        phi = clip(cov / var, 1) if var > 0 else 0.0
        phi = max(-0.95, min(0.98, phi))
        change, noise = d - p, d - phi * p
        if n == 0 or gap > 3 * interval:
            p, change, noise = 0.0, 0.0, d * math.sqrt(1 - phi * phi)
        scale = max(slow_mad * ROOT, least)
        z = d / scale
        yield Seen(
            count=n,
            phi=phi,
            z=z,
            fast_z=f / max(fast_mad * ROOT, scale),
            jump=change / max(jump_mad * ROOT, least),
            white=noise / max(noise_mad * ROOT, least),
            same=n > 0 and x == last,
            gap=gap,
            interval=interval,
            flat=math.isinf(scale),
        )
        g, h = 1 / min(n + 1, 10_000), 1 / min(n + 1, 100)
        r = 1 / min(max(n, 1), 10_000)

        def bound(mad: float, n: int = n, least: float = least) -> float:
            return math.inf if n < FREE else 4 * max(mad * ROOT, least)

        slow_step, fast_step = clip(d, bound(slow_mad)), clip(f, bound(fast_mad))
        slow, fast = slow + g * slow_step, fast + h * fast_step
        slow_mad += g * (abs(slow_step) - slow_mad)
        fast_mad += h * (abs(fast_step) - fast_mad)
        jump_mad += g * (min(abs(change), bound(jump_mad)) - jump_mad)
        noise_mad += g * (min(abs(noise), bound(noise_mad)) - noise_mad)
        cov += g * (clip(z, 4) * clip(p / scale, 4) - cov)
        var += g * (clip(z, 4) ** 2 - var)
        if n and x != last:
            least = min(least, abs(x - last))
        interval += r * ((gap if n < FREE else min(gap, 3 * interval)) - interval)
        n, last, time = n + 1, x, t


def missing(seen: Sequence[Seen]) -> Iterator[float]:
    """Scores of `detectors.statistics.missing`."""
    recent = 0.0
    for s in seen:
        excess = (s.gap - s.interval) / s.interval if s.count > 1 else 0.0
        recent += 0.1 * (min(excess, 3) - recent)
        yield max(0.0, excess, recent * math.sqrt(19))


def spike(seen: Sequence[Seen]) -> Iterator[float]:
    """Scores of `detectors.statistics.spike`."""
    past = [0.0, 0.0]
    for s in seen:
        past = [*past, abs(s.fast_z)][-3:]
        weight = math.sqrt(2 / (1 + abs(s.phi)))
        yield max(abs(s.jump), abs(s.white), sorted(past)[1] * weight)


def level_shift(seen: Sequence[Seen]) -> Iterator[float]:
    """Scores of `detectors.statistics.level_shift`."""
    sums = {k: [0.0, 0.0] for k in (0.125, 0.25, 0.5)}

    def offset(k: float) -> float:
        return 2 * k * 1.166 - math.log(2 * k * k)

    for s in seen:
        e, score = clip(s.white, 4), 0.0
        for k, former in sums.items():
            up, down = (0.0, 0.0) if s.count < WARM else former
            pair = [min(max(0.0, up + e - k), 200), min(max(0.0, down - e - k), 200)]
            sums[k] = pair
            score = max(score, 2 * k * max(pair) - (offset(0.125) - offset(k)))
        yield score


def drift(times: Sequence[float], seen: Sequence[Seen]) -> Iterator[float]:
    """Scores of `detectors.statistics.drift`."""
    block, inside, blocks, mad, up, down, score = -1, list[float](), 0, 0.0, 0.0, 0.0, 0.0
    for t, s in zip(times, seen, strict=True):
        if t // 60 > block:
            block = int(t // 60)
            mean = sum(inside) / len(inside) if inside else 0.0
            known = blocks >= KNOWN and s.count >= WARM
            v = clip(mean / (mad * ROOT), 4) if known else 0.0
            up, down = max(0.0, up + v - 0.5), max(0.0, down - v - 0.5)
            score = max(up, down)
            if inside:
                most = mad * ROOT * 4 if blocks >= KNOWN else math.inf
                blocks += 1
                mad += (min(abs(mean), most) - mad) / min(blocks, 1_000)
            inside = []
        inside.append(clip(s.z, 1.5))
        yield score


def noise(seen: Sequence[Seen]) -> Iterator[float]:
    """Scores of `detectors.statistics.noise`."""
    v, gain = 1.0, 0.06
    sd = math.sqrt(2 * gain / (2 - gain))
    skewness = 8 * gain**3 / (1 - (1 - gain) ** 3) / sd**3
    nu = math.sqrt(8 / skewness**2 * 2 / sd**2)
    a, slope = 2 / (9 * nu), math.sqrt(2 / nu) / sd
    for s in seen:
        v += gain * ((1.0 if s.flat else min(s.white**2, 16)) - v)
        yield (
            0.0
            if s.flat
            else abs(max(1 + slope * (v - 1), 1e-12) ** (1 / 3) - (1 - a)) / math.sqrt(a)
        )


def stuck(seen: Sequence[Seen]) -> Iterator[float]:
    """Scores of `detectors.statistics.stuck`."""
    run, share, changes = 0, 0.0, 0
    for s in seen:
        run = run + 1 if s.same else 0
        least = 1 / min(s.count + 2, 10_000)
        yield -run * math.log(max(share, least)) if changes >= KNOWN else 0.0
        changes += s.count > 0 and not s.same
        share += least * (s.same - share)


def oscillation(seen: Sequence[Seen]) -> Iterator[float]:
    """Scores of `detectors.statistics.oscillation`."""
    sums, usual = [0j] * 6, [0.0] * 6
    for s in seen:
        ratios = []
        for b in range(6):
            turn = cmath.exp(2j * math.pi / (5 * 2**b)) * (1 - WINDOW)
            sums[b] = sums[b] * turn + WINDOW * clip(s.white, 4)
            power = abs(sums[b]) ** 2
            ratios.append(power / usual[b] if usual[b] else 0.0)
            most = power if s.count < SURE else min(power, 10 * usual[b])
            if s.count % 4 == 0:
                usual[b] += (most - usual[b]) / min(s.count // 4 + 1, 5_000)
        yield max(ratios)


def stack(times: Sequence[float], values: Sequence[float]) -> float:
    """Run everything over one series; return the highest score."""
    seen = list(core(times, values))
    every = (missing, spike, level_shift, noise, stuck, oscillation)
    highest = max(max(statistic(seen)) for statistic in every)
    return max(highest, *drift(times, seen))
