"""When incidents were committed, as another process sees it."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from domain.incidents import IncidentAction, IncidentKind
from domain.ports import PAGE_LIMIT, StateStore

POLL_S = 0.01
"""Interval of looks into the state store: the resolution of a latency."""


class IncidentWatch:
    """Notes the instant at which each opened incident was first seen, beside a block."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._last = 0
        self._stop = threading.Event()
        self._seen: dict[tuple[str, IncidentKind], int] = {}
        self._thread = threading.Thread(target=self._run, name="incident-watch", daemon=True)

    @property
    def seen_ns(self) -> Mapping[tuple[str, IncidentKind], int]:
        """Instants by equipment and kind."""
        return self._seen

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            while self._look() == PAGE_LIMIT:
                pass
        self._look()

    def _look(self) -> int:
        with self._state.reading() as tx:
            events = tx.incidents.events_after(self._last)
            now_ns = time.time_ns()
            for event in events:
                self._last = event.number
                if event.action is not IncidentAction.OPENED:
                    continue
                incident = tx.incidents.get(event.incident_id)
                if incident is not None:
                    self._seen[incident.equipment_id, incident.kind] = now_ns
        return len(events)
