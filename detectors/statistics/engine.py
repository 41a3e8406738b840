"""All statistics of one kind of equipment over its fleet.

A round brings at most one sample of each device. It is worked off in blocks of devices whose state
stays in the second-level cache; within a block only observed cells are looked at. For each cell:
blocks of the calibrator that are over get their limits, every statistic scores the sample with what
was known before, alarms open and close, and only then the sample is learned.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.statistics import core
from detectors.statistics.alarms import Alarm, Found
from detectors.statistics.base import Statistic
from detectors.statistics.calibrator import Calibrator, CalibratorParameters, Rate
from detectors.statistics.catalog import STATISTICS
from detectors.statistics.core import CoreParameters, Frame
from detectors.statistics.joint import Joint
from detectors.statistics.lanes import (
    Bools,
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

LANES_PER_BLOCK = 16_384
"""Series worked on at once. Half as many fit the second-level cache better, but then the cost of
NumPy's calls outweighs that (measured: 4,096 at 5.3, 8,192 at 6.9, 16,384 at 8.9 M samples/s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsParameters:
    """Budget and memory of the statistics of one kind.

    Parameters
    ----------
    alarms_per_device_day
        Budget of all statistics of a device together. EEMUA 191 allows an operator 144 alarms a
        day: 0.0072 for 20,000 devices and one operator (detection.md 5).
    """

    alarms_per_device_day: float = 0.0072
    core: CoreParameters = field(default_factory=CoreParameters)
    calibrator: CalibratorParameters = field(default_factory=CalibratorParameters)


class Statistics:
    """Statistics of the devices of one kind.

    Parameters
    ----------
    channels
        Number of channels of a row of values.
    statistics
        What to run on every series; the whole catalogue unless told otherwise.
    multivariate
        Whether to run the residual over all channels of a device too.
    """

    def __init__(
        self,
        channels: int,
        parameters: StatisticsParameters | None = None,
        *,
        statistics: Sequence[Statistic] | None = None,
        multivariate: bool = True,
    ) -> None:
        self._channels = channels
        self._parameters = parameters or StatisticsParameters()
        chosen = [make() for make in STATISTICS] if statistics is None else statistics
        self._statistics = tuple(chosen)
        joint = multivariate and channels > 1
        tests = channels * len(self._statistics) + joint
        blocks = 86_400 / self._parameters.calibrator.block_s
        probability = self._parameters.alarms_per_device_day / (blocks * tests)
        self._core = Lanes(core.COLUMNS)
        self._own = [Lanes(item.columns) for item in self._statistics]
        self._calibrator = Calibrator(self._statistics, probability, self._parameters.calibrator)
        self._joint = None
        if joint:
            self._joint = Joint(channels, probability, self._parameters.calibrator)
        self._n = 0

    def grow(self, n: int) -> None:
        """Make room for n devices; slots keep their state."""
        self._n = max(n, self._n)
        for lanes in (self._core, self._calibrator.lanes, *self._own):
            lanes.grow(self._n * self._channels)
        if self._joint is not None:
            self._joint.grow(self._n)

    def step(self, device: NDArray[np.integer[Any]], event_ns: Ints, values: Floats) -> list[Alarm]:
        """Take in one round.

        Parameters
        ----------
        device
            int[m], all different.
        event_ns
            int64[m]; a row that is not newer than the device's last one is left out.
        values
            float64[m, channels], NaN = not observed.

        Returns
        -------
        list of Alarm
            In order of rows, then channels.
        """
        return self.run(device, event_ns[None], values[None])

    def run(self, device: NDArray[np.integer[Any]], event_ns: Ints, values: Floats) -> list[Alarm]:
        """Take in T rounds of the same devices, as history has them; faster than T steps.

        Parameters
        ----------
        device
            int[m], all different.
        event_ns
            int64[T, m].
        values
            float64[T, m, channels].

        Returns
        -------
        list of Alarm
            In order of rounds, then rows, then channels. Where T rounds span more than two blocks
            of the calibrator, give them in pieces: limits would rest on part of the fleet.
        """
        alarms: list[tuple[int, int, Alarm]] = []
        size = max(LANES_PER_BLOCK // max(self._channels, 1), 1)
        for start in range(0, len(device), size):
            part = slice(start, start + size)
            chosen = contiguous(device[part].astype(np.int64))
            for number in range(len(values)):
                found = self._block(chosen, event_ns[number, part], values[number, part])
                alarms += [(number, start + row, alarm) for row, alarm in found]
        alarms.sort(key=lambda item: item[:2])
        return [alarm for _, _, alarm in alarms]

    def rates(self) -> tuple[Rate, ...]:
        """Realised against nominal alarm rate of every statistic."""
        return self._calibrator.rates() + (() if self._joint is None else self._joint.rates())

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every state array by name, for snapshots."""
        for prefix, part in self._parts():
            for name, array in part.arrays():
                yield prefix + "/" + name, array

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Continue from saved arrays of the same or a smaller fleet."""
        for prefix, part in self._parts():
            start = prefix + "/"
            part.restore(
                {k.removeprefix(start): v for k, v in saved.items() if k.startswith(start)}
            )

    def _parts(self) -> Iterator[tuple[str, Lanes | Calibrator]]:
        yield "core", self._core
        yield "calibrator", self._calibrator
        for item, lanes in zip(self._statistics, self._own, strict=True):
            yield item.name, lanes
        if self._joint is not None:
            yield from self._joint.parts()

    def _block(self, device: Selection, event_ns: Ints, values: Floats) -> list[Found]:
        """Take in one row of each of a block of devices."""
        c = values.shape[1]
        cells, cell_ns = values.reshape(-1), np.empty(values.size, dtype=np.int64)
        cell_ns.reshape(values.shape)[:] = event_ns[:, None]
        lanes = expand(device, c)
        observed = np.isfinite(cells) & (cell_ns > self._core.one("time_ns", lanes))
        if observed.all():
            found, white = self._series(lanes, cells, cell_ns)
            found = [(cell // c, alarm) for cell, alarm in found]
        else:
            places = np.flatnonzero(observed)
            if not len(places):
                return []
            lanes = indices(lanes)[places]
            found, white = self._series(lanes, cells[places], cell_ns[places])
            found = [(int(places[cell]) // c, alarm) for cell, alarm in found]
        if self._joint is None:
            return found
        return found + self._together(self._joint, device, event_ns, observed, white)

    def _series(
        self, lanes: Selection, cells: Floats, event_ns: Ints
    ) -> tuple[list[Found], Single]:
        """Score and learn observed cells; return alarms by cell, and the bounded white values."""
        known, latch = self._core.take(lanes), self._calibrator.lanes.take(lanes)
        seen = core.frame(known, cells, event_ns)
        self._calibrator.begin(latch, event_ns, lambda ended: seen.interval_s[ended])
        scores: list[Single] = []
        for item, own in zip(self._statistics, self._own, strict=True):
            state = own.take(lanes)
            score = item.score(state, seen)
            own.put(lanes, state)
            if seen.fewest < item.warm_up:
                score = np.where(seen.count >= item.warm_up, score, np.float32(-1))
            scores.append(score)
        found = [
            (cell, self._alarm(index, cell, lanes, seen, known, latch, scores[index]))
            for index, cell in self._calibrator.judge(latch, scores, event_ns)
        ]
        core.learn(known, seen, self._calibrator.slowed(latch, event_ns), self._parameters.core)
        self._core.put(lanes, known)
        self._calibrator.lanes.put(lanes, latch)
        return found, seen.bounded

    def _alarm(
        self,
        index: int,
        cell: int,
        lanes: Selection,
        seen: Frame,
        known: State,
        latch: State,
        score: Single,
    ) -> Alarm:
        """Explain one alarm; alarms are rare, so this may be slow."""
        item, lane = self._statistics[index], lane_at(lanes, cell)
        flags = int(latch["open"][cell])
        samples = self._calibrator.samples(seen.interval_s[cell : cell + 1])
        chance = self._calibrator.block_probability(
            latch, index, cell, float(score[cell]), float(samples[0])
        )
        return Alarm(
            statistic=item.name,
            incident=item.incident,
            device=lane // self._channels,
            channel=lane % self._channels,
            event_ns=int(seen.event_ns[cell]),
            ended=not self._calibrator.is_open(latch, index, cell),
            score=float(score[cell]),
            limit=float(latch["limit"][index, cell]),
            once_in_days=self._calibrator.days(chance),
            value=float(seen.value[cell]),
            usual=float(known["slow"][cell]),
            spread=float(seen.scale[cell]),
            corroborated_by=tuple(
                other.name
                for bit, other in enumerate(self._statistics)
                if bit != index and flags >> bit & 1
            ),
        )

    def _together(
        self, joint: Joint, device: Selection, event_ns: Ints, observed: Bools, white: Single
    ) -> list[Found]:
        """Score whole rows: those whose every channel was observed now, or never."""
        c, m = self._channels, len(event_ns)
        interval_s = self._core.one("interval_s", expand(device, c)).reshape(m, c)
        if len(white) == m * c:
            matrix = np.ascontiguousarray(white.reshape(m, c).T)
            return joint.step(device, event_ns, matrix, interval_s)
        whole = np.zeros(m * c, dtype=np.float32)
        whole[observed] = white
        never = self._core.one("count", expand(device, c)) == 0
        seen = observed.reshape(m, c)
        rows = np.flatnonzero((seen | never.reshape(m, c)).all(axis=1) & seen.any(axis=1))
        if not len(rows):
            return []
        matrix = np.ascontiguousarray(whole.reshape(m, c)[rows].T)
        found = joint.step(indices(device)[rows], event_ns[rows], matrix, interval_s[rows])
        return [(int(rows[row]), alarm) for row, alarm in found]
