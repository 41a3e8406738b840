r"""Novelty: how far the last stretch of a series is from the nearest stretch of its own past.

The left matrix profile (Yeh et al. 2016; DAMP, Lu et al. 2022) of means over `block_s`, at four
scales: one mean, one difference of means, and windows of 6 and 24.

.. math:: D_m(t) = \min_{j \le t-m} \sum_{l<m} (x_{t-l} - x_{j-l})^2, \qquad
          \text{score} = \max_m \frac{\sqrt{D_m(t)}}{E_m} - 1

with :math:`E_m` the series' own mean of :math:`\sqrt{D_m}`. Best on real recordings, since it
asks for no model; and it can show the nearest past stretch. Sums are taken afresh for every mean,
because a running sum leaves rounding noise that a flat series would be judged by.

Opt-in, for a few key channels. Fails on what happened before within the ring, and on slow trends,
where everything is new. State of 1,000 means: 8 kB a series.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.statistics.alarms import Alarm, Found
from detectors.statistics.calibrator import Calibrator, CalibratorParameters, Rate
from detectors.statistics.chance import normal_limit
from detectors.statistics.lanes import (
    Bools,
    Column,
    Columns,
    Floats,
    Ints,
    Lanes,
    Selection,
    Single,
    State,
    contiguous,
    expand,
    indices,
    lane_at,
)
from domain.incidents import IncidentKind
from domain.instants import NS_PER_S, seconds

SCALES = (1, 1, 6, 24)
"""Window lengths; the second is of differences."""
_DIFFERENCE = 1
_LANES_PER_BLOCK = 64
_TINY = np.float32(1e-30)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyParameters:
    """What is remembered, and the budget.

    Parameters
    ----------
    block_s
        Length of a mean; one sample where samples are further apart (detection.md 5: 1-5 min).
    past_blocks
        Means remembered: 3.5 days of 5 min.
    warm_up_blocks
        Means before it counts (ours).
    memory_blocks
        Memory of the expected distance (ours).
    alarms_per_device_day
        Budget of all channels of a device together.
    """

    block_s: float = 300.0
    past_blocks: int = 1_000
    warm_up_blocks: int = 100
    memory_blocks: float = 1_000.0
    alarms_per_device_day: float = 0.001
    calibrator: CalibratorParameters = field(default_factory=CalibratorParameters)


@dataclass(frozen=True, slots=True)
class _Tested:
    """What the calibrator needs to know."""

    name: str = "novelty"
    learned: bool = True

    def limit(self, samples: Floats, _interval_s: Floats) -> Floats:
        """Distances spread by about their mean at most; until the fleet's tail is known."""
        return normal_limit(1 / samples)


class Novelty:
    """Novelty over the chosen channels of the devices of one kind.

    Parameters
    ----------
    channels
        Number of channels of a row of values.
    """

    def __init__(self, channels: int, parameters: NoveltyParameters | None = None) -> None:
        self._channels = channels
        self._parameters = parameters or NoveltyParameters()
        settings = self._parameters.calibrator
        blocks = 86_400 / settings.block_s
        probability = self._parameters.alarms_per_device_day / (blocks * channels)
        self._own = Lanes(self.columns)
        self._calibrator = Calibrator([_Tested()], probability, settings)

    @property
    def columns(self) -> Columns:
        """The open mean, the ring with its times, and the expected distances."""
        past = self._parameters.past_blocks
        return {
            "time_ns": Column("i8"),
            "due_ns": Column("i8"),
            "sum": Column("f8"),
            "samples": Column(),
            "origin": Column("f8", fill=np.nan),
            "count": Column(),
            "interval_s": Column(),
            "past": Column(fill=np.nan, rows=past),
            "past_s": Column("u4", rows=past),
            "expected": Column(rows=len(SCALES)),
        }

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        self._own.grow(n * self._channels)
        self._calibrator.lanes.grow(n * self._channels)

    def step(self, device: NDArray[np.integer[Any]], event_ns: Ints, values: Floats) -> list[Alarm]:
        """Take in one round, like `detectors.statistics.engine.Statistics.step`."""
        found: list[Found] = []
        size = max(_LANES_PER_BLOCK // self._channels, 1)
        for start in range(0, len(device), size):
            part = slice(start, start + size)
            chosen = contiguous(device[part].astype(np.int64))
            for cell, alarm in self._block(chosen, event_ns[part], values[part]):
                found.append((start * self._channels + cell, alarm))
        return [alarm for _, alarm in sorted(found, key=lambda item: item[0])]

    def rates(self) -> tuple[Rate, ...]:
        """Realised against nominal alarm rate."""
        return self._calibrator.rates()

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every state array by name, for snapshots."""
        yield from (("own/" + name, array) for name, array in self._own.arrays())
        yield from (("calibrator/" + name, array) for name, array in self._calibrator.arrays())

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Continue from saved arrays of the same or a smaller fleet."""
        for prefix, part in (("own/", self._own), ("calibrator/", self._calibrator)):
            mine = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
            part.restore(mine)

    def _block(self, device: Selection, event_ns: Ints, values: Floats) -> list[Found]:
        cells, cell_ns = values.reshape(-1), np.repeat(event_ns, values.shape[1])
        lanes = indices(expand(device, self._channels))
        observed = np.isfinite(cells) & (cell_ns > self._own.one("time_ns", lanes))
        places = np.flatnonzero(observed)
        lanes, cells, cell_ns = lanes[places], cells[places], cell_ns[places]
        own = self._own.some(("time_ns", "due_ns", "sum", "samples", "origin"), lanes)
        closes = np.flatnonzero((cell_ns >= own["due_ns"]) & (own["samples"] > 0))
        found = self._close(lanes[closes], cell_ns[closes]) if len(closes) else []
        own["sum"][closes], own["samples"][closes] = 0, 0
        block_ns = seconds(self._parameters.block_s)
        own["due_ns"] = (cell_ns // block_ns + 1) * block_ns
        own["origin"] = np.where(np.isnan(own["origin"]), cells, own["origin"])
        own["sum"] += cells - own["origin"]
        own["samples"] += 1
        own["time_ns"] = cell_ns
        self._own.put(lanes, own)
        return [(int(places[closes[cell]]), alarm) for cell, alarm in found]

    def _close(self, lanes: Ints, now_ns: Ints) -> list[Found]:
        """Judge the finished means of lanes, then remember them."""
        state, latch = self._own.take(lanes), self._calibrator.lanes.take(lanes)
        gap_s = ((now_ns - state["due_ns"]) / NS_PER_S).astype(np.float32)
        interval_s = np.maximum(gap_s, np.float32(self._parameters.block_s))
        self._calibrator.begin(latch, now_ns, lambda ended: interval_s[ended])
        mean = (state["sum"] / state["samples"]).astype(np.float32)
        distance, nearest = _distances(state["past"], mean)
        ratio = distance / np.maximum(state["expected"], _TINY)
        ratio[(state["expected"] <= 0) | np.isinf(distance)] = 0
        best = ratio.argmax(axis=0)
        score = np.maximum(ratio.max(axis=0) - 1, np.float32(0))
        warm: Bools = state["count"] >= self._parameters.warm_up_blocks
        changed = self._calibrator.judge(latch, [np.where(warm, score, np.float32(-1))], now_ns)
        found = []
        for _, lane in changed:
            when_s = int(state["past_s"][nearest[best[lane], lane], lane])
            found.append((lane, self._alarm(lanes, lane, state, latch, score, now_ns, when_s)))
        slow = self._calibrator.slowed(latch, now_ns)
        self._learn(state, mean, distance, slow)
        self._own.put(lanes, state)
        self._calibrator.lanes.put(lanes, latch)
        return found

    def _learn(self, state: State, mean: Single, distance: Single, slow: Bools | None) -> None:
        count = state["count"]
        # A distance without a past is infinite and teaches nothing.
        known = np.isfinite(distance)
        gain = known / np.minimum(count + 1, np.float32(self._parameters.memory_blocks))
        if slow is not None:
            gain = np.where(slow, gain * np.float32(0.1), gain)
        state["expected"] += gain * (np.where(known, distance, 0) - state["expected"])
        for name, newest in (("past", mean), ("past_s", state["due_ns"] // NS_PER_S)):
            state[name][:-1] = state[name][1:].copy()
            state[name][-1] = newest
        count += 1

    def _alarm(
        self,
        lanes: Ints,
        lane: int,
        state: State,
        latch: State,
        score: Single,
        now_ns: Ints,
        nearest_s: int,
    ) -> Alarm:
        place = lane_at(lanes, lane)
        chance = self._calibrator.block_probability(latch, 0, lane, float(score[lane]), 2.0)
        past = state["past"][:, lane]
        return Alarm(
            statistic="novelty",
            incident=IncidentKind.STATISTICAL_ANOMALY,
            device=place // self._channels,
            channel=place % self._channels,
            event_ns=int(now_ns[lane]),
            ended=not self._calibrator.is_open(latch, 0, lane),
            score=float(score[lane]),
            limit=float(latch["limit"][0, lane]),
            once_in_days=self._calibrator.days(chance),
            value=float(state["origin"][lane] + state["sum"][lane] / state["samples"][lane]),
            usual=float(state["origin"][lane] + np.nanmean(past)),
            spread=float(np.nanstd(past)),
            nearest_ns=nearest_s * NS_PER_S or None,
        )


def _distances(past: Single, mean: Single) -> tuple[Single, Ints]:
    """Distance to the nearest past window at each scale, and the row where that ends.

    Parameters
    ----------
    past
        float32[rows, k], newest last, NaN where there is none yet.
    mean
        float32[k], the newest value.

    Returns
    -------
    distance : float32[4, k]
        Infinite where no window of the past is complete.
    nearest : int64[4, k]
    """
    rows, k = past.shape
    series = np.concatenate((past, mean[None]))
    distance = np.full((len(SCALES), k), np.inf, dtype=np.float32)
    nearest = np.zeros((len(SCALES), k), dtype=np.int64)
    for number, length in enumerate(SCALES):
        source = np.diff(series, axis=0) if number == _DIFFERENCE else series
        last = len(source) - 1
        # Windows that end at first .. last - length do not overlap the newest one.
        size = last - length - (length - 1) + 1
        if size <= 0:
            continue
        total = np.zeros((size, k), dtype=np.float32)
        for lag in range(length):
            start = length - 1 - lag
            gap = source[start : start + size] - source[last - lag]
            total += gap * gap
        total = np.where(np.isnan(total), np.float32(np.inf), total)
        at = total.argmin(axis=0)
        distance[number] = np.sqrt(total[at, np.arange(k)])
        nearest[number] = np.minimum(at + length - 1 + (number == _DIFFERENCE), rows - 1)
    return distance, nearest
