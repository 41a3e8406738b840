"""Figures of one kind of equipment in one hour, as columns."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.equipment import Kind
from domain.ledger import HOUR_NS, LedgerRow, Missing
from domain.readings import NO_CODE, NO_SEQ, Quality, ReadingBatch, Stream
from ingest.items import DeviceMemory

_NO_LAG: Final = int(np.iinfo(np.int64).min)
_LATE, _BAD_VALUE = int(Quality.LATE), int(Quality.BAD_VALUE)
_ALIVE_STREAM = int(Stream.ALIVE)

_RECEIVED, _ALIVE, DUPLICATED, _LATES, REFUSED, _BAD = range(6)
_LAST_AT, _LAST_SEQ, _LAG_FIRST, _LAG_LAST, _LAG_MIN, _LAG_MAX, _WRONG = range(6, 13)
_BLANK = np.array([0] * 7 + [NO_SEQ] + [_NO_LAG] * 4 + [0], dtype=np.int64)

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DeviceOf = Callable[[str], DeviceMemory]
"""What the decoder remembers of a device, by its id."""


class SheetState(msgspec.Struct):
    """A sheet as it stands in a snapshot."""

    hour: int
    kind: Kind
    cells: bytes
    boots: list[str]
    changed: bytes
    heard: bytes


class Sheet:
    """Figures of n devices.

    Attributes
    ----------
    cells
        int64[13, n].
    boots
        Newest boot of each device at its last sample.
    changed, handed
        bool[n], changed since the row was given out, and given out but not known to be written.
    heard
        bool[n], heard since the last sample.
    """

    def __init__(self, n: int) -> None:
        self.cells: Ints = np.repeat(_BLANK[:, None], n, axis=1)
        self.boots = [""] * n
        self.changed: Bools = np.zeros(n, dtype=np.bool_)
        self.handed: Bools = np.zeros(n, dtype=np.bool_)
        self.heard: Bools = np.zeros(n, dtype=np.bool_)

    @property
    def clean(self) -> bool:
        """Whether everything is known to be written."""
        return not (self.changed.any() or self.handed.any())

    def grow(self, n: int) -> None:
        """Make room for n devices."""
        more = n - len(self.boots)
        if more <= 0:
            return
        self.cells = np.hstack([self.cells, np.repeat(_BLANK[:, None], more, axis=1)])
        self.boots += [""] * more
        for name in ("changed", "handed", "heard"):
            setattr(self, name, np.pad(getattr(self, name), (0, more)))

    def count(self, batch: ReadingBatch, first: Bools) -> None:
        """Count the rows of a batch that are the first of an accepted item (`first_of_item`)."""
        device = batch.device[first]
        alive = batch.stream[first] == _ALIVE_STREAM
        quality = batch.quality[first]
        np.add.at(self.cells[_RECEIVED], device[~alive], 1)
        for line, chosen in (
            (_ALIVE, alive),
            (_LATES, (quality & _LATE) != 0),
            (_BAD, (quality & _BAD_VALUE) != 0),
        ):
            if chosen.any():
                np.add.at(self.cells[line], device[chosen], 1)
        self.cells[_LAST_AT, device] = batch.received_at_ns[first]
        self.changed[device] = True
        self.heard[device] = True

    def event(self, line: int, slot: int) -> None:
        """Count one item that is `DUPLICATED` or `REFUSED`."""
        self.cells[line, slot] += 1
        self.changed[slot] = True

    def sample(self, ids: tuple[str, ...], device_of: DeviceOf) -> None:
        """Note clock and newest number of the devices heard since the last sample."""
        slots = np.flatnonzero(self.heard)
        self.heard[:] = False
        seqs, lags, wrongs = [], [], []
        # One step a device and sample, never one an item.
        for slot in slots.tolist():
            memory = device_of(ids[slot])
            boots, clock = memory.sequence.boots, memory.clock
            boot = next(reversed(boots), "")
            self.boots[slot] = boot
            seqs.append(boots[boot].ends[-1] if boot else NO_SEQ)
            lag_ns = clock.wrong_lag_ns if clock.wrong else clock.usual_lag_ns
            lags.append(_NO_LAG if lag_ns is None else round(lag_ns))
            wrongs.append(clock.wrong)
        self.cells[_LAST_SEQ, slots] = seqs
        self.cells[_WRONG, slots] |= np.array(wrongs, dtype=np.int64)
        self._take_lags(slots, np.array(lags, dtype=np.int64))
        self.changed[slots] = True

    def _take_lags(self, slots: NDArray[np.intp], lags: Ints) -> None:
        sampled = lags != _NO_LAG
        slots, lags = slots[sampled], lags[sampled]
        known = self.cells[_LAG_FIRST, slots] != _NO_LAG
        for line, merged in (
            (_LAG_FIRST, self.cells[_LAG_FIRST, slots]),
            (_LAG_MIN, np.minimum(self.cells[_LAG_MIN, slots], lags)),
            (_LAG_MAX, np.maximum(self.cells[_LAG_MAX, slots], lags)),
        ):
            self.cells[line, slots] = np.where(known, merged, lags)
        self.cells[_LAG_LAST, slots] = lags

    def hand_out(
        self, hour: int, ids: tuple[str, ...], missing: Callable[[str, int], Missing]
    ) -> Iterator[LedgerRow]:
        """Rows that changed and are not known to be written.

        Parameters
        ----------
        missing
            What a device misses in an hour.
        """
        self.handed |= self.changed
        self.changed[:] = False
        slots = np.flatnonzero(self.handed)
        figures = zip(*self.cells[:, slots].tolist(), strict=True)
        for slot, cells in zip(slots.tolist(), figures, strict=True):
            yield LedgerRow(
                equipment_id=ids[slot],
                hour_start_ns=hour * HOUR_NS,
                received=cells[_RECEIVED],
                alive=cells[_ALIVE],
                duplicated=cells[DUPLICATED],
                late=cells[_LATES],
                refused=cells[REFUSED],
                bad_values=cells[_BAD],
                last_boot=self.boots[slot],
                last_seq=None if cells[_LAST_SEQ] == NO_SEQ else cells[_LAST_SEQ],
                last_received_at_ns=cells[_LAST_AT],
                lag_first_ns=_lag(cells[_LAG_FIRST]),
                lag_last_ns=_lag(cells[_LAG_LAST]),
                lag_min_ns=_lag(cells[_LAG_MIN]),
                lag_max_ns=_lag(cells[_LAG_MAX]),
                clock_wrong=bool(cells[_WRONG]),
                missing=missing(ids[slot], hour),
            )

    def state(self, hour: int, kind: Kind) -> SheetState:
        """Everything in it, for a snapshot."""
        return SheetState(
            hour=hour,
            kind=kind,
            cells=self.cells.tobytes(),
            boots=self.boots,
            changed=(self.changed | self.handed).tobytes(),
            heard=self.heard.tobytes(),
        )

    @classmethod
    def restored(cls, state: SheetState) -> "Sheet":
        """Sheet of a snapshot."""
        n = len(state.boots)
        sheet = cls(0)
        sheet.cells = np.frombuffer(state.cells, dtype=np.int64).reshape(len(_BLANK), n).copy()
        sheet.boots = state.boots
        sheet.changed = np.frombuffer(state.changed, dtype=np.bool_).copy()
        sheet.handed = np.zeros(n, dtype=np.bool_)
        sheet.heard = np.frombuffer(state.heard, dtype=np.bool_).copy()
        return sheet


def first_of_item(batch: ReadingBatch) -> Bools:
    """Rows that are the first of their item, bool[n]: an item with several codes is several rows.

    Without a number, two items of one frame and one ``ts`` that hold nothing but codes look like
    one with both.
    """
    first = np.ones(len(batch), dtype=np.bool_)
    coded = batch.code != NO_CODE
    if np.count_nonzero(coded) > 1:
        same = coded[1:] & coded[:-1]
        for column in (batch.device, batch.seq, batch.event_time_ns, batch.position):
            same &= column[1:] == column[:-1]
        first[1:] = ~same
    return first


def _lag(lag_ns: int) -> int | None:
    return None if lag_ns == _NO_LAG else lag_ns
