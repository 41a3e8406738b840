"""Rows that span much time, through the production detectors, as if each had come when it came.

In production rows come in frames with a tick every second between them. Only what a device itself
sends and the ticks at which it is due decide what its detectors say, so here each device runs
through its own rows as far as they go, many devices at once:

    device 0   row row row ........ row          rows of one round are one row of every device
    device 1   row ....... tick row row          that has no tick before its next one
    device 2   row row row row row tick ... row

A device whose next row lies behind a tick at which it is due waits. A tick is given when every
device that is due by then has nothing left before it, so each sees its rows and ticks in the order
of production. At the end of a step all devices stand at the same instant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from detectors import catalog
from detectors.engine import KindEngine
from domain.equipment import Fleet, Kind
from domain.findings import Finding
from domain.instants import NS_PER_S
from domain.readings import ReadingBatch

_Ints = NDArray[np.int64]

READY_SHARE = 0.5
"""Ticks that hold devices back are given once fewer than this share of the devices may go on."""


class Playback:
    """Detectors of a fleet on a virtual clock.

    Parameters
    ----------
    parameters
        Overrides by detector and parameter.
    start_ns
        First tick; ticks follow every second. No row may be older.

    Raises
    ------
    UsageError
        If an override names no detector or parameter.
    """

    def __init__(
        self, fleet: Fleet, parameters: Mapping[str, Mapping[str, float]], *, start_ns: int
    ) -> None:
        catalog.check(parameters)
        self._start_ns = start_ns
        self._clocks: dict[Kind, _Clock] = {}
        for kind in Kind:
            if fleet.members(kind):
                engine = KindEngine(kind, parameters)
                engine.grow(fleet)
                self._clocks[kind] = _Clock(engine, start_ns)

    def step(self, batches: Sequence[ReadingBatch], until_ns: int) -> list[Finding]:
        """Take in all rows up to an instant, and the ticks between and after them.

        Parameters
        ----------
        batches
            In order of arrival, rows of a device in its order.
        until_ns
            Every row was received before it; ticks before it are given.

        Returns
        -------
        list of Finding
            For every device in its order.
        """
        findings: list[Finding] = []
        for kind, clock in self._clocks.items():
            for batch in batches:
                if batch.kind is kind and len(batch):
                    findings += _Slice(clock, batch).play()
            findings += clock.pass_to(until_ns - 1)
        return findings

    def finish(self, end_ns: int) -> list[Finding]:
        """Give the last tick, at or after the end, as a replay of a recording does."""
        until_ns = end_ns + NS_PER_S - 1
        return [found for clock in self._clocks.values() for found in clock.pass_to(until_ns)]


class _Clock:
    """Ticks of one engine: those at which something may happen.

    Attributes
    ----------
    engine
        Detectors of one kind.
    """

    def __init__(self, engine: KindEngine, start_ns: int) -> None:
        self.engine = engine
        self._start_ns = start_ns
        self._due = cast("_Ints", dict(engine.arrays())["due/due"])
        self._given_ns = np.full(len(self._due), start_ns - 1)

    def due_ns(self) -> _Ints:
        """Per device, received time from which a tick may change something, `FAR` for none."""
        due: _Ints = np.maximum(self._due, self._given_ns + 1)
        return due

    def tick_before(self, instant_ns: _Ints) -> _Ints:
        """Last tick at or before instants."""
        before: _Ints = instant_ns - (instant_ns - self._start_ns) % NS_PER_S
        return before

    def first_tick(self, due_ns: int) -> int:
        """First tick at or after an instant."""
        return due_ns + (self._start_ns - due_ns) % NS_PER_S

    def tick(self, now_ns: int) -> list[Finding]:
        """Give a tick. Its position is that of a journal with two frames a second."""
        self._given_ns[self._due <= now_ns] = now_ns
        return self.engine.tick(now_ns, 2 * ((now_ns - self._start_ns) // NS_PER_S) + 1)

    def pass_to(self, instant_ns: int) -> list[Finding]:
        """Give every tick up to an instant; no device has a row before it any more."""
        findings: list[Finding] = []
        while self.engine.due_ns <= instant_ns:
            now_ns = self.first_tick(int(self.due_ns().min()))
            if now_ns > instant_ns:
                break
            findings += self.tick(now_ns)
        return findings


@dataclass(slots=True)
class _Queues:
    """Rows left, by device: ``order[at[i]:end[i]]`` are those of the i-th device that has any."""

    device: NDArray[np.int32]
    at: _Ints
    end: _Ints


class _Slice:
    """One batch on its way through an engine."""

    def __init__(self, clock: _Clock, batch: ReadingBatch) -> None:
        self._clock = clock
        self._batch = batch
        # Ticks up to this one come before the row.
        self._tick_ns = clock.tick_before(batch.received_at_ns)
        self._last_tick_ns = int(self._tick_ns.max())
        self._order = np.argsort(batch.device, kind="stable")
        device = batch.device[self._order]
        first = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
        self._left = _Queues(device[first], first, np.r_[first[1:], len(device)])

    def play(self) -> list[Finding]:
        """Run every device through its rows."""
        findings: list[Finding] = []
        left = self._left
        while len(left.device):
            rows = self._order[left.at]
            ready = self._ready(rows)
            if np.count_nonzero(ready) < READY_SHARE * len(ready):
                findings += self._release(rows)
                ready = self._ready(rows)
            findings += self._clock.engine.step(self._batch, rows[ready])
            left.at[ready] += 1
            left = self._left = _unfinished(left)
        return findings

    def _ready(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether no tick that concerns its device comes before a row."""
        ready: NDArray[np.bool_] = self._clock.due_ns()[self._left.device] > self._tick_ns[rows]
        return ready

    def _release(self, rows: NDArray[np.intp]) -> list[Finding]:
        """Give ticks, oldest first, until one concerns a device that has rows before it."""
        findings: list[Finding] = []
        due_ns = self._clock.due_ns()
        free_until_ns = np.full(len(due_ns), self._last_tick_ns)
        free_until_ns[self._left.device] = self._tick_ns[rows]
        while True:
            now_ns = self._clock.first_tick(int(due_ns.min()))
            if (free_until_ns[due_ns <= now_ns] < now_ns).any():
                return findings
            findings += self._clock.tick(now_ns)
            due_ns = self._clock.due_ns()


def _unfinished(left: _Queues) -> _Queues:
    going = left.at < left.end
    if going.all():
        return left
    return _Queues(left.device[going], left.at[going], left.end[going])
