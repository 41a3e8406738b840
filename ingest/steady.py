"""Steady devices: those whose next item can be told in advance, decoded as columns.

A device is steady while its clock is right and its numbering has no surprises: the next item has
the next number of the same boot and a lag within the usual. Most items of most devices are so, and
what the general path would do with them is a few array operations here, on arrays over the fleet.
Every other item goes the general path, after the steady ones that came before it; the results are
the same either way.

While a device is steady these arrays hold the newest part of its `DeviceMemory`; `Steady.release`
writes it back before the general path uses it.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from domain.instants import NS_PER_S
from domain.readings import Stream
from ingest.clocks import ERA_NS, LATE_AFTER_NS, USUAL_WEIGHT, OwnGap
from ingest.items import DeviceMemory

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BOOTS_MAX = 500_000
"""Different boot texts remembered; a further one is never steady."""

_ALIVE = int(Stream.ALIVE)
_CLOCK_MARGIN_NS = NS_PER_S
"""Nearer than this to a limit of lateness the general path decides."""

PLACE_BITS = 10
"""Bits of an arrival that hold the place of an item in its message; the rest is the message's."""


class Boots:
    """Boot texts by number.

    Attributes
    ----------
    numbers
        Number of every boot that some device is known by.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def learn(self, boot: str) -> int:
        """Number of a boot, a new one when there is room, else -1."""
        found = self.numbers.get(boot, -1)
        if found < 0 and len(self.numbers) < BOOTS_MAX:
            found = self.numbers[boot] = len(self.numbers)
        return found


class Candidate(NamedTuple):
    """Head of an item that may prove steady; ``boot`` is the number of a known one."""

    slot: int
    ts_ns: int
    seq: int
    boot: int
    stream: int
    arrival: int


_HEAD_BYTES = 8 * len(Candidate._fields)


class Candidates:
    """Items of one kind that may prove steady, in order of arrival.

    Kept as the bytes of two arrays: the objects that they were read into are free at once.

    Parameters
    ----------
    channels
        Readings of an item.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._heads = bytearray()
        self._values = bytearray()
        self._slots: set[int] = set()
        self._looked_at = 0

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._heads) // _HEAD_BYTES

    @property
    def heads(self) -> Ints:
        """int64[n, 6], the fields of `Candidate`."""
        return np.frombuffer(self._heads, dtype=np.int64).reshape(-1, len(Candidate._fields))

    @property
    def values(self) -> NDArray[np.float64]:
        """float64[n, channels], NaN where not reported."""
        return np.frombuffer(self._values).reshape(-1, self._channels)

    def add(self, head: Candidate, values: tuple[float, ...]) -> None:
        """Add one item."""
        self.extend(1, (head,), (values,))

    def extend(
        self, n: int, heads: Iterable[tuple[Any, ...]], values: Iterable[tuple[float, ...]]
    ) -> None:
        """Add n items: fields of their `Candidate`, and their readings."""
        # Half the time that NumPy takes to look at each object.
        cells = n * len(Candidate._fields)
        self._heads += struct.pack(f"{cells}q", *chain.from_iterable(heads))
        cells = n * self._channels
        self._values += struct.pack(f"{cells}d", *chain.from_iterable(values))

    def hold(self, slot: int) -> bool:
        """Whether an item of a device is among them."""
        self._slots.update(self.heads[self._looked_at :, 0].tolist())
        self._looked_at = len(self)
        return slot in self._slots


@dataclass(frozen=True, slots=True)
class _Items:
    """Candidates as arrays; all int64[m]."""

    slot: Ints
    ts_ns: Ints
    seq: Ints
    boot: Ints
    stream: Ints
    arrival: Ints
    lag_ns: Ints

    def at(self, chosen: NDArray[Any]) -> "_Items":
        """Chosen items."""
        return _Items(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class SteadyRows:
    """Rows of steady items, m of them, in order of arrival.

    Parameters
    ----------
    slot, ts_ns, seq, stream, arrival, ordinal
        int64[m].
    values
        float64[m, channels of the kind].
    """

    slot: Ints
    ts_ns: Ints
    seq: Ints
    stream: Ints
    arrival: Ints
    ordinal: Ints
    values: NDArray[np.float64]


class Steady:
    """What is known in advance of n devices of one kind.

    Attributes
    ----------
    is_steady
        bool[n]; the other arrays mean nothing where it is false.
    """

    def __init__(self, kind: Kind) -> None:
        channels = CHANNELS[kind]
        labels = np.array([c.type is ChannelType.LABEL for c in channels])
        whole = np.array([c.type in (ChannelType.FLAG, ChannelType.CODE) for c in channels])
        self._low = np.where(labels, -np.inf, [c.minimum for c in channels])
        self._high = np.where(labels, np.inf, [c.maximum for c in channels])
        self._whole = np.flatnonzero(whole)
        self._channels = len(channels)
        self.is_steady: Bools = np.zeros(0, dtype=np.bool_)
        self._boot: Ints = np.zeros(0, dtype=np.int64)
        self._next_seq: Ints = np.zeros(0, dtype=np.int64)
        self._newest_seq: Ints = np.zeros(0, dtype=np.int64)
        self._newest_ts_ns: Ints = np.zeros(0, dtype=np.int64)
        self._ordinal: Ints = np.zeros(0, dtype=np.int64)
        self._usual_lag_ns: NDArray[np.float64] = np.zeros(0)

    def grow(self, n: int) -> None:
        """Make room for a larger fleet."""
        more = n - len(self.is_steady)
        if more > 0:
            for name in ("is_steady", "_boot", "_next_seq", "_newest_seq", "_newest_ts_ns"):
                setattr(self, name, np.pad(getattr(self, name), (0, more)))
            self._ordinal = np.pad(self._ordinal, (0, more))
            self._usual_lag_ns = np.pad(self._usual_lag_ns, (0, more))

    def take_over(self, slot: int, memory: DeviceMemory, boots: Boots) -> None:
        """Hold a device here from now on, if it is steady."""
        clock = memory.clock
        numbers = memory.sequence.boots.get(clock.newest_boot)
        if (
            numbers is None
            or clock.wrong
            or clock.run_items
            or clock.usual_lag_ns is None
            or clock.newest_ts_ns is None
            or clock.newest_boot not in memory.boots
            or clock.newest_seq > numbers.ends[-1]
        ):
            return
        number = boots.learn(clock.newest_boot)
        if number < 0:
            return
        self.is_steady[slot] = True
        self._boot[slot] = number
        self._next_seq[slot] = numbers.ends[-1] + 1
        self._newest_seq[slot] = clock.newest_seq
        self._newest_ts_ns[slot] = clock.newest_ts_ns
        self._usual_lag_ns[slot] = clock.usual_lag_ns
        self._ordinal[slot] = memory.ordinal

    def release(self, slot: int, memory: DeviceMemory) -> None:
        """Give a device back to the general path, its memory up to date."""
        if self.is_steady[slot]:
            self.write_back(slot, memory)
            self.is_steady[slot] = False

    def write_back(self, slot: int, memory: DeviceMemory) -> None:
        """Bring the memory of a steady device up to date."""
        clock = memory.clock
        memory.sequence.boots[clock.newest_boot].ends[-1] = int(self._next_seq[slot]) - 1
        clock.newest_seq = int(self._newest_seq[slot])
        clock.newest_ts_ns = int(self._newest_ts_ns[slot])
        clock.usual_lag_ns = float(self._usual_lag_ns[slot])
        memory.ordinal = int(self._ordinal[slot])

    def write_all_back(self, memories: Sequence[DeviceMemory | None]) -> None:
        """Bring the memories of all steady devices up to date; one a slot, where there is one."""
        slots = np.flatnonzero(self.is_steady)
        columns = (self._next_seq, self._newest_seq, self._newest_ts_ns, self._usual_lag_ns)
        held = (column[slots].tolist() for column in (*columns, self._ordinal))
        for slot, next_seq, seq, ts_ns, lag_ns, ordinal in zip(slots.tolist(), *held, strict=True):
            memory = memories[slot]
            if memory is None:
                continue
            clock = memory.clock
            memory.sequence.boots[clock.newest_boot].ends[-1] = next_seq - 1
            clock.newest_seq = seq
            clock.newest_ts_ns = ts_ns
            clock.usual_lag_ns = lag_ns
            memory.ordinal = ordinal

    def settle(
        self, candidates: Candidates, received_at_ns: Ints, own_gap: OwnGap
    ) -> tuple[SteadyRows, Ints]:
        """Apply the candidates of devices that are steady throughout.

        Parameters
        ----------
        received_at_ns
            Received time by message number.
        own_gap
            Our own last absence: what was sampled before its end needs judgement.

        Returns
        -------
        SteadyRows
            Rows of the applied ones.
        ndarray
            Arrivals of the others, which changed nothing.
        """
        n, values = len(candidates), candidates.values
        slot, ts_ns, seq, boot, stream, arrival = candidates.heads.T
        items = _Items(
            slot=slot,
            ts_ns=ts_ns,
            seq=seq,
            boot=boot,
            stream=stream,
            arrival=arrival,
            lag_ns=received_at_ns[arrival >> PLACE_BITS] - ts_ns,
        )
        order = np.argsort(items.slot, kind="stable")
        fits = self._plausible(values)
        ordinal = np.empty(n, dtype=np.int64)
        since_ns = max(ERA_NS, own_gap.until_ns)
        fits[order], ordinal[order] = self._apply(items.at(order), fits[order], since_ns)
        taken = SteadyRows(
            slot=items.slot[fits],
            ts_ns=items.ts_ns[fits],
            seq=items.seq[fits],
            stream=items.stream[fits],
            arrival=items.arrival[fits],
            ordinal=ordinal[fits],
            values=values if fits.all() else values[fits],
        )
        return taken, items.arrival[~fits]

    def _apply(self, items: _Items, plausible: Bools, since_ns: int) -> tuple[Bools, Ints]:
        """Apply items sorted by slot; return which were, and their ordinals."""
        slot, lag_ns = items.slot, items.lag_ns
        starts = np.flatnonzero(np.concatenate(([True], slot[1:] != slot[:-1])))
        counts = np.diff(starts, append=len(slot))
        rank = np.arange(len(slot)) - np.repeat(starts, counts)
        least_lag_ns = np.minimum(np.minimum.reduceat(lag_ns, starts), 0).repeat(counts)
        earliest_ns = np.minimum(self._usual_lag_ns[slot], least_lag_ns)
        fits = plausible & self.is_steady[slot] & (items.boot == self._boot[slot])
        fits &= items.seq == self._next_seq[slot] + rank
        fits &= (lag_ns >= -LATE_AFTER_NS) & (items.ts_ns >= since_ns)
        fits &= lag_ns <= LATE_AFTER_NS - _CLOCK_MARGIN_NS + earliest_ns
        fits_whole = np.logical_and.reduceat(fits, starts)
        fits = np.repeat(fits_whole, counts)
        ordinal = self._ordinal[slot] + rank + 1
        device, counts = slot[starts[fits_whole]], counts[fits_whole]
        self._next_seq[device] += counts
        self._ordinal[device] += counts
        self._judge_clocks(items if fits_whole.all() else items.at(fits))
        return fits, ordinal

    def _plausible(self, values: NDArray[np.float64]) -> Bools:
        """Rows whose readings the catalogue allows; NaN is not reported and allowed."""
        whole = values[:, self._whole]
        outside = (values < self._low) | (values > self._high)
        outside[:, self._whole] |= np.floor(whole) < whole
        return np.logical_not(outside.any(axis=1))

    def _judge_clocks(self, items: _Items) -> None:
        """Learn from the newest item of each device and message, as `ingest.clocks.judge` does."""
        if not len(items.slot):
            return
        newest = _newest_of_messages(items)
        slot = items.slot[newest]
        first = np.concatenate(([True], slot[1:] != slot[:-1]))
        if first.all():
            self._learn(items, newest)
            return
        starts = np.flatnonzero(first)
        round_ = np.arange(len(slot)) - np.repeat(starts, np.diff(starts, append=len(slot)))
        for number in range(int(round_.max()) + 1):
            self._learn(items, newest[round_ == number])

    def _learn(self, items: _Items, row: NDArray[np.intp]) -> None:
        """Learn from one item a device."""
        slot = items.slot[row]
        usual_ns = self._usual_lag_ns[slot]
        usual_ns = usual_ns + USUAL_WEIGHT * (items.lag_ns[row] - usual_ns)
        self._usual_lag_ns[slot] = np.minimum(usual_ns, LATE_AFTER_NS)
        # A sign of life overtakes the buffer that follows it, so its number proves no order.
        ordered = items.stream[row] != _ALIVE
        slot, row = slot[ordered], row[ordered]
        self._newest_seq[slot] = items.seq[row]
        self._newest_ts_ns[slot] = items.ts_ns[row]


def _newest_of_messages(items: _Items) -> NDArray[np.intp]:
    """Index of the newest item of each device and message; of equal times the last one."""
    slot, message = items.slot, items.arrival >> PLACE_BITS
    last = np.concatenate(((slot[1:] != slot[:-1]) | (message[1:] != message[:-1]), [True]))
    if last.all():
        return np.arange(len(slot))
    group = np.cumsum(last) - last
    by_time = np.lexsort((np.arange(len(slot)), items.ts_ns, group))
    ends: NDArray[np.intp] = by_time[np.flatnonzero(last)]
    return ends
