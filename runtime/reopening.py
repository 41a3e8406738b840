"""A telemetry store that could not be opened yet: the service starts, and tries again when asked.

Detection must not wait for a file on a full disk or one that another process still holds.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from domain.equipment import Kind
from domain.errors import DependencyError
from domain.ports import PAGE_LIMIT, TelemetryStore
from domain.readings import Latest, ReadingBatch, Sample

_log = structlog.get_logger(__name__)


class ReopeningStore:
    """`domain.ports.TelemetryStore` around one that is opened at the first call that succeeds.

    Every method raises the `DependencyError` of opening as long as that fails.

    Parameters
    ----------
    open_store
        Opens the store, or raises `DependencyError`.
    """

    def __init__(self, open_store: Callable[[], TelemetryStore]) -> None:
        self._open_store = open_store
        self._lock = threading.Lock()
        self._store: TelemetryStore | None = None
        try:
            self._opened()
        except DependencyError as error:
            _log.error("telemetry_not_opened", error=str(error))

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        """Store the rows of frames after the recorded position, and record ``position``."""
        self._opened().append(batches, position)

    def position(self) -> int:
        """Journal position up to which everything is stored; 0 for an empty store."""
        return self._opened().position()

    def count(self) -> int:
        """Rows stored and not yet pruned, over all kinds."""
        return self._opened().count()

    def latest(self, kind: Kind, equipment_id: str) -> Mapping[str, Latest]:
        """Last reported value of every channel of one device, by newest event time."""
        return self._opened().latest(kind, equipment_id)

    def history(
        self, kind: Kind, equipment_id: str, *, start_ns: int, end_ns: int, limit: int = PAGE_LIMIT
    ) -> Sequence[Sample]:
        """Rows of one device with ``start_ns <= event_time_ns < end_ns``, oldest first."""
        store = self._opened()
        return store.history(kind, equipment_id, start_ns=start_ns, end_ns=end_ns, limit=limit)

    def prune(self, before_ns: int) -> int:
        """Delete rows received before an instant; return how many, or -1 when unknown."""
        return self._opened().prune(before_ns)

    def close(self) -> None:
        """Close the store if it was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()

    def _opened(self) -> TelemetryStore:
        store = self._store
        if store is not None:
            return store
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store
