"""Telemetry store in memory: for tests and trials; what it holds ends with the process."""

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from operator import attrgetter
from threading import Lock

from domain.equipment import Kind
from domain.ports import PAGE_LIMIT
from domain.readings import Latest, ReadingBatch, Sample
from storage.rows import Newest, StoredRow, in_order, storable, stored_rows

ROWS_MAX = 200_000
"""Most rows of a kind; beyond it the oldest arrivals are dropped and counted."""

_order = attrgetter("order")


class MemoryStore:
    """`domain.ports.TelemetryStore` that keeps rows in memory, safe to share between threads.

    Parameters
    ----------
    max_rows
        Most rows of one kind.

    Attributes
    ----------
    dropped
        Rows dropped because ``max_rows`` was reached.
    """

    def __init__(self, *, max_rows: int = ROWS_MAX) -> None:
        self.dropped = 0
        self._max_rows = max_rows
        self._lock = Lock()
        self._position = 0
        self._devices: dict[tuple[Kind, str], list[StoredRow]] = defaultdict(list)
        self._arrivals: dict[Kind, deque[StoredRow]] = {kind: deque() for kind in Kind}

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        """Store the rows of frames after the recorded position, and record ``position``."""
        with self._lock:
            for batch in batches:
                for row in stored_rows(batch, storable(batch, self._position)):
                    insort(self._devices[batch.kind, row.sample.equipment_id], row, key=_order)
                    self._arrivals[batch.kind].append(row)
                self._shed(batch.kind)
            self._position = max(self._position, position)

    def _shed(self, kind: Kind) -> None:
        arrivals = self._arrivals[kind]
        while len(arrivals) > self._max_rows:
            self._forget(kind, arrivals.popleft())
            self.dropped += 1

    def _forget(self, kind: Kind, row: StoredRow) -> None:
        key = (kind, row.sample.equipment_id)
        rows = self._devices[key]
        del rows[bisect_left(rows, row.order, key=_order)]
        if not rows:
            del self._devices[key]

    def position(self) -> int:
        """Journal position up to which everything is stored; 0 for an empty store."""
        return self._position

    def count(self) -> int:
        """Rows held, over all kinds."""
        with self._lock:
            return sum(len(arrivals) for arrivals in self._arrivals.values())

    def latest(self, kind: Kind, equipment_id: str) -> Mapping[str, Latest]:
        """Last reported value of every channel of one device, by newest event time."""
        newest = Newest()
        with self._lock:
            newest.offer_rows(self._devices.get((kind, equipment_id), ()))
        return newest.latest()

    def history(
        self, kind: Kind, equipment_id: str, *, start_ns: int, end_ns: int, limit: int = PAGE_LIMIT
    ) -> Sequence[Sample]:
        """Rows of one device with ``start_ns <= event_time_ns < end_ns``, oldest first."""
        with self._lock:
            rows = self._devices.get((kind, equipment_id), [])
            first = bisect_left(rows, (start_ns,), key=_order)
            last = bisect_left(rows, (end_ns,), key=_order)
            return in_order(rows[first:last], limit)

    def prune(self, before_ns: int) -> int:
        """Delete rows received before an instant; return how many."""
        with self._lock:
            old = [
                (kind, row)
                for kind, arrivals in self._arrivals.items()
                for row in arrivals
                if row.sample.received_at_ns < before_ns
            ]
            for kind in {kind for kind, _ in old}:
                kept = (r for r in self._arrivals[kind] if r.sample.received_at_ns >= before_ns)
                self._arrivals[kind] = deque(kept)
            for kind, row in old:
                self._forget(kind, row)
            return len(old)

    def close(self) -> None:
        """Release nothing: there are no files and no connections."""
