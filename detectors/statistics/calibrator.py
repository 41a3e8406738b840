r"""From scores to alarms at a stated rate: block maxima, the fleet's tail, hold-off.

Time line of one statistic of one lane:

    blocks      |   10 min   |   10 min   |   10 min   |
    maximum     |    3.1     |    2.8     |    9.7     |
                             ^ standardised by the lane's own mean and spread of maxima,
                               counted into the fleet's histogram, limit set anew
    score                            __/\\__ over the limit, and over the held peak: alarm

The limit of a lane is mean + spread x (quantile of the fleet's standardised maxima). Standardised
values are counted before they teach, so the error of a lane's own estimates is part of what is
observed. Where a statistic's own model gives a limit, the fleet may only raise it.

A block that begins uses what blocks taught that ended two blocks earlier: rows of one batch, which
spans less than a block, then find the same limits in any order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.statistics.core import FROM_MAD
from detectors.statistics.lanes import Bools, Column, Floats, Ints, Lanes, Single, State
from detectors.statistics.tail import BINS, EDGES, PEAKS_ENOUGH, Tail, fit
from domain.instants import seconds

_CHANCE_LEAST = 1e-15
_REFIT_SHARE = 0.02
_PENDING = 3
_SPREAD_LEAST = np.float32(0.05)
"""Least spread of block maxima, in units of scores (ours): a score that is always 0 has none."""
_MEMORY_BLOCKS = np.float32(1_000.0)
_BLOCKS_MIN = np.float32(20.0)
"""Blocks of a lane before its maxima count and its limit holds (ours)."""
_PRIOR_BLOCKS = np.float32(60.0)
"""Weight of the fleet's mean and spread of maxima against a lane's own, in blocks (ours)."""
_UNITS = 2.0**16
_UNIT_MAX = np.float32(2.0**14)
_CLIP = np.float32(4.0)
_AGREES = np.float32(1.1)
"""The fleet contradicts a model only when its limit is this much higher (ours): a lane's own
estimate errs by some percent."""
_LOG_SAMPLES = np.linspace(0.0, 40.0, 401)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratorParameters:
    """When a score is an alarm.

    Parameters
    ----------
    block_s
        Length of a block (detection.md 5).
    memory_days
        Memory of the fleet's histogram (ours).
    hold_s
        Time constant with which the last peak is forgotten (ours).
    close_share
        An open alarm ends below this share of its limit (ours).
    relearn_s
        An alarm that stays open so long has become the series' new normal: it learns at full speed
        again (ours).
    """

    block_s: float = 600.0
    memory_days: float = 30.0
    hold_s: float = 43_200.0
    close_share: float = 0.5
    relearn_s: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Realised against nominal alarm rate of one statistic.

    Parameters
    ----------
    nominal, realised
        Blocks that should have been over the limit, and that were.
    alarms
        Alarms raised, after hold-off.
    """

    statistic: str
    nominal: float
    realised: float
    alarms: float

    @property
    def ratio(self) -> float | None:
        """Realised over nominal, ``None`` while fewer than one is expected."""
        return self.realised / self.nominal if self.nominal >= 1 else None


class Calibrator:
    """Limits, latches and counts of S statistics over n lanes.

    Parameters
    ----------
    statistics
        What has ``name``, ``learned`` and ``limit`` (`detectors.statistics.base`).
    probability
        Chance of an alarm a block of one statistic of one lane.
    """

    def __init__(
        self, statistics: Sequence[Any], probability: float, parameters: CalibratorParameters
    ) -> None:
        self._statistics = tuple(statistics)
        self._probability = probability
        self._parameters = parameters
        size = len(self._statistics)
        self._free = np.array([not item.learned for item in self._statistics])
        self.lanes = Lanes(
            {
                "due_ns": Column("i8"),
                "peak": Column(fill=-1.0, rows=size),
                "mean": Column(rows=size),
                "mad": Column(rows=size),
                "blocks": Column(rows=size),
                "limit": Column(fill=np.inf, rows=size),
                "held": Column(rows=size),
                "open": Column("u2"),
                "open_ns": Column("i8"),
            }
        )
        self._counts = np.zeros((size, BINS))
        self._pending = np.zeros((_PENDING, size, BINS))
        self._sums = np.zeros((3, size), dtype=np.int64)
        self._pending_sums = np.zeros((_PENDING, 3, size), dtype=np.int64)
        self._epoch = np.zeros(1, dtype=np.int64)
        self._totals = np.zeros((3, size))
        self._fits = np.full((size, 6), np.nan)
        self._tails: list[Tail | None] = [None] * size

    def begin(self, state: State, event_ns: Ints, interval_s: Callable[[Ints], Single]) -> None:
        """Close the blocks of lanes whose sample begins a new one; call before scores are given.

        Parameters
        ----------
        interval_s
            Mean time between samples of lanes by their index in ``state``.
        """
        ended = np.flatnonzero(event_ns >= state["due_ns"])
        if not len(ended):
            return
        block_ns = seconds(self._parameters.block_s)
        block = event_ns[ended] // block_ns
        newest = int(block.max())
        if newest > self._epoch[0]:
            self._fold(newest)
        part = {name: array[..., ended] for name, array in state.items()}
        self._close(part, block, interval_s(ended))
        part["due_ns"] = (block + 1) * block_ns
        for name, array in part.items():
            state[name][..., ended] = array

    def judge(
        self, state: State, scores: Sequence[Single], event_ns: Ints
    ) -> list[tuple[int, int]]:
        """Take in scores; open and close alarms.

        Parameters
        ----------
        scores
            float32[k] of each statistic; -1 where it does not count.

        Returns
        -------
        list
            (statistic, lane) of each alarm that opened or closed; `is_open` tells which.
        """
        is_open = bool(state["open"].any())
        changed: list[tuple[int, int]] = []
        rows = zip(scores, state["peak"], state["limit"], strict=True)
        for index, (score, peak, limit) in enumerate(rows):
            np.maximum(peak, score, out=peak)
            over = score > limit
            if is_open or over.any():
                lanes = self._latch(state, index, score, over, event_ns)
                changed += [(index, lane) for lane in lanes.tolist()]
        return changed

    @staticmethod
    def is_open(state: State, index: int, lane: int) -> bool:
        """Whether an alarm of a statistic stands."""
        return bool(int(state["open"][lane]) >> index & 1)

    def _latch(self, state: State, index: int, score: Single, over: Bools, event_ns: Ints) -> Ints:
        flags, bit = state["open"], np.uint16(1 << index)
        is_open = (flags & bit) != 0
        active = np.flatnonzero(is_open | over)
        if not len(active):
            return active
        limit, held = state["limit"][index], state["held"][index]
        raised = np.flatnonzero(over & ~is_open & (score > held))
        low = (score >= 0) & (score < limit * np.float32(self._parameters.close_share))
        ended = np.flatnonzero(is_open & low)
        held[active] = np.maximum(held[active], score[active])
        fresh = raised[flags[raised] == 0]
        state["open_ns"][fresh] = event_ns[fresh]
        flags[raised] |= bit
        flags[ended] &= ~bit
        self._totals[2, index] += len(raised)
        return np.concatenate((raised, ended))

    def slowed(self, state: State, event_ns: Ints) -> Bools | None:
        """Lanes that learn slowly, since an alarm has not been open for long."""
        flags = state["open"]
        if not flags.any():
            return None
        recent = event_ns - state["open_ns"] < seconds(self._parameters.relearn_s)
        slowed: Bools = (flags != 0) & recent
        return slowed

    def block_probability(
        self, state: State, index: int, lane: int, score: float, samples: float
    ) -> float:
        """Chance that a block of so many samples reaches a score, as the limit was set."""
        by_model = samples / self._samples_by_model(index, score, samples)
        tail = self._tails[index]
        if tail is None:
            return min(by_model, 1.0)
        spread = max(float(state["mad"][index, lane] * FROM_MAD), float(_SPREAD_LEAST))
        by_fleet = tail.probability((score - float(state["mean"][index, lane])) / spread)
        if not self._free[index]:
            return min(max(by_model, by_fleet), 1.0)
        return by_fleet

    def days(self, probability: float) -> float:
        """Mean time between blocks of a probability, in days."""
        return self._parameters.block_s / 86_400 / max(probability, _CHANCE_LEAST)

    def _samples_by_model(self, index: int, score: float, samples: float) -> float:
        log_samples = _LOG_SAMPLES
        interval_s = np.full(len(log_samples), self._parameters.block_s / samples)
        limits = self._statistics[index].limit(np.exp(log_samples), interval_s)
        return float(np.exp(np.interp(score, limits, log_samples)))

    def rates(self) -> tuple[Rate, ...]:
        """Realised against nominal rate of each statistic."""
        return tuple(
            Rate(statistic=item.name, nominal=nominal, realised=realised, alarms=alarms)
            for item, (nominal, realised, alarms) in zip(
                self._statistics, self._totals.T.tolist(), strict=True
            )
        )

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every state array by name, for snapshots."""
        yield from (("lanes/" + name, array) for name, array in self.lanes.arrays())
        yield from (("fleet/" + name, getattr(self, "_" + name)) for name in _FLEET)

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take over saved arrays."""
        own = {name: array for name, array in saved.items() if name.startswith("lanes/")}
        self.lanes.restore({name.removeprefix("lanes/"): array for name, array in own.items()})
        for name in _FLEET:
            getattr(self, "_" + name)[...] = saved["fleet/" + name]
        for index, row in enumerate(self._fits):
            self._tails[index] = None if np.isnan(row[0]) else Tail.of(row[:-1].tolist())

    def _fold(self, newest: int) -> None:
        """Let the limits of a new block rest on what ended two blocks before."""
        steps = min(newest - int(self._epoch[0]), _PENDING)
        keep = np.exp(-self._parameters.block_s / (86_400 * self._parameters.memory_days))
        for _ in range(steps):
            self._counts *= keep
            self._counts += self._pending[0]
            self._pending[:-1] = self._pending[1:]
            self._pending[-1] = 0
            self._sums = (self._sums * keep).astype(np.int64) + self._pending_sums[0]
            self._pending_sums[:-1] = self._pending_sums[1:]
            self._pending_sums[-1] = 0
        self._epoch[0] = newest
        self._refit()

    def _refit(self) -> None:
        """Fit anew what has grown, or faded, by some percent."""
        totals = self._counts.sum(axis=1)
        changed = np.abs(totals - np.nan_to_num(self._fits[:, -1])) > _REFIT_SHARE * totals
        for index in np.flatnonzero(changed):
            tail = fit(self._counts[index])
            if tail is not None:
                self._fits[index] = (*astuple(tail), totals[index])
                self._tails[index] = tail

    def _close(self, part: State, block: Ints, interval_s: Single) -> None:
        peak, mean, mad, blocks = (part[name] for name in ("peak", "mean", "mad", "blocks"))
        scored = peak >= 0
        centre, spread = self._standard(mean, mad, blocks)
        counted = scored & (blocks >= _BLOCKS_MIN)
        sure = (self._sums[0][:, None] > PEAKS_ENOUGH) | (blocks >= _PRIOR_BLOCKS)
        self._count((peak - centre) / spread, counted & sure, block)
        self._add_up(peak, np.abs(peak - mean), counted, block)
        # A statistic that never rose above 0 on a lane has nothing to be wrong about there.
        held_to = counted & np.isfinite(part["limit"]) & (mad > 0)
        self._totals[0] += held_to.sum(axis=1) * self._probability
        self._totals[1] += (held_to & (peak > part["limit"])).sum(axis=1)
        bound = np.where(blocks >= _BLOCKS_MIN, spread * _CLIP, np.float32(np.inf))
        bounded = np.clip(peak - mean, -bound, bound)
        gain = scored / np.minimum(blocks + 1, _MEMORY_BLOCKS)
        gain = np.where(part["open"] != 0, gain * np.float32(0.1), gain)
        mean += gain * bounded
        # The first block deviates from nothing, so there is one deviation less than blocks.
        gain *= np.where(blocks > 0, np.minimum(blocks + 1, _MEMORY_BLOCKS), np.float32(0))
        gain /= np.clip(blocks, 1, _MEMORY_BLOCKS)
        mad += gain * (np.abs(bounded) - mad)
        blocks += scored
        part["held"] *= np.float32(np.exp(-self._parameters.block_s / self._parameters.hold_s))
        part["limit"][:] = self._limits(mean, mad, blocks, interval_s)
        peak[:] = -1

    def _standard(self, mean: Single, mad: Single, blocks: Single) -> tuple[Single, Single]:
        """Centre and spread of a lane's maxima, drawn to the fleet's while it has few blocks."""
        number, centre, deviation = self._sums.astype(np.float64)[:, :, None]
        number = np.maximum(number, 1)
        own = (blocks / (blocks + _PRIOR_BLOCKS)).astype(np.float32)
        own = np.where(number > PEAKS_ENOUGH, own, np.float32(1))
        fleet = (1 - own) / (number * _UNITS)
        centre = (own * mean + fleet * centre).astype(np.float32)
        spread = ((own * mad + fleet * deviation) * FROM_MAD).astype(np.float32)
        return centre, np.maximum(spread, _SPREAD_LEAST)

    def _add_up(self, peak: Single, deviation: Single, counted: Bools, block: Ints) -> None:
        """Add to the fleet's sums, in whole units so that any order gives the same."""
        slot = self._slot(block)
        for part, values in enumerate((None, peak, deviation)):
            units = 1 if values is None else np.rint(np.minimum(values, _UNIT_MAX) * _UNITS)
            whole = np.where(counted, units, 0).astype(np.int64)
            for age in range(_PENDING):
                self._pending_sums[age, part] += whole[:, slot == age].sum(axis=1)

    def _slot(self, block: Ints) -> Ints:
        slot: Ints = np.clip(block - self._epoch[0] + _PENDING - 1, 0, _PENDING - 1)
        return slot

    def _count(self, standard: Single, counted: Bools, block: Ints) -> None:
        slot = self._slot(block)
        for index, (values, chosen) in enumerate(zip(standard, counted, strict=True)):
            bins = np.searchsorted(EDGES, values[chosen])
            np.add.at(self._pending[:, index], (slot[chosen], np.minimum(bins, BINS - 1)), 1)

    def _limits(self, mean: Single, mad: Single, blocks: Single, interval_s: Single) -> Single:
        limits = np.full(mean.shape, np.inf, dtype=np.float32)
        centre, spread = self._standard(mean, mad, blocks)
        samples = self.samples(interval_s) / self._probability
        for index, (item, tail) in enumerate(zip(self._statistics, self._tails, strict=True)):
            model = item.limit(samples, interval_s).astype(np.float32)
            if tail is None:
                limit, ready = model, np.full(len(model), self._free[index])
            else:
                limit = centre[index] + spread[index] * np.float32(tail.quantile(self._probability))
                if self._free[index]:
                    limit = np.where(limit > model * _AGREES, limit, model)
                elif tail.peaks < PEAKS_ENOUGH:
                    limit = np.maximum(limit, model)
                ready = (blocks[index] >= _BLOCKS_MIN) | self._free[index]
            limits[index] = np.where(ready, limit, np.inf)
        return limits

    def samples(self, interval_s: Single) -> Floats:
        """Samples in a block of lanes, at least one."""
        interval = np.maximum(interval_s.astype(np.float64), 1e-3)
        return np.maximum(self._parameters.block_s / interval, 1.0)


_FLEET = ("counts", "pending", "sums", "pending_sums", "epoch", "totals", "fits")
