"""The multivariate residual over whole rows of a device, with limits and explanation of its own."""

from collections.abc import Iterator

import numpy as np

from detectors.statistics.alarms import Alarm, Found
from detectors.statistics.calibrator import Calibrator, CalibratorParameters, Rate
from detectors.statistics.lanes import Ints, Lanes, Selection, Single, lane_at
from detectors.statistics.multivariate import Multivariate


class Joint:
    """`Multivariate` over the devices of one kind; one lane a device."""

    def __init__(self, channels: int, probability: float, parameters: CalibratorParameters) -> None:
        self._item = Multivariate(channels=channels)
        self._own = Lanes(self._item.columns)
        self._calibrator = Calibrator([self._item], probability, parameters)

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        self._own.grow(n)
        self._calibrator.lanes.grow(n)

    def rates(self) -> tuple[Rate, ...]:
        """Realised against nominal alarm rate."""
        return self._calibrator.rates()

    def parts(self) -> Iterator[tuple[str, Lanes | Calibrator]]:
        """What a snapshot keeps, by name."""
        yield "joint_calibrator", self._calibrator
        yield self._item.name, self._own

    def step(
        self, device: Selection, event_ns: Ints, white: Single, interval_s: Single
    ) -> list[Found]:
        """Take in whole rows of k devices.

        Parameters
        ----------
        white
            float32[channels, k].
        interval_s
            float32[k, channels]; the slowest channel sets the pace.
        """
        state, latch = self._own.take(device), self._calibrator.lanes.take(device)
        self._calibrator.begin(latch, event_ns, lambda ended: interval_s[ended].max(axis=1))
        warm = state["count"] >= self._item.warm_up
        score = np.where(warm, self._item.score(state, white), np.float32(-1))
        changed = self._calibrator.judge(latch, [score], event_ns)
        self._own.put(device, state)
        self._calibrator.lanes.put(device, latch)
        found: list[Found] = []
        for _, row in changed:
            samples = float(self._calibrator.samples(interval_s[row].max(keepdims=True))[0])
            chance = self._calibrator.block_probability(latch, 0, row, float(score[row]), samples)
            shares = enumerate(self._item.contributions(state, row).tolist())
            alarm = Alarm(
                statistic=self._item.name,
                incident=self._item.incident,
                device=lane_at(device, row),
                channel=-1,
                event_ns=int(event_ns[row]),
                ended=not self._calibrator.is_open(latch, 0, row),
                score=float(score[row]),
                limit=float(latch["limit"][0, row]),
                once_in_days=self._calibrator.days(chance),
                value=np.nan,
                usual=np.nan,
                spread=np.nan,
                contributions=tuple(sorted(shares, key=lambda share: -share[1])),
            )
            found.append((row, alarm))
        return found
