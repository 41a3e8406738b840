"""Server-sent events: what happens to incidents, and a heartbeat that proves the line is alive."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from api.schemas import EventOut, HeartbeatOut
from domain.errors import DependencyError
from domain.incidents import Incident, IncidentEvent
from domain.ports import PAGE_LIMIT, Incidents, StateStore

TAIL_EVENTS = 2_000
"""History lines kept in memory for streams that are up to date; older ones are read again."""

STREAM_LIFETIME_S = 600.0
"""A stream ends after this time, so that a login that was taken away does not stay useful."""

RETRY_MS = 1_000
"""What a browser waits before it connects again."""


@dataclass(frozen=True, slots=True)
class TailEvent:
    """One history line with its incident as it stood when the line was read."""

    event: IncidentEvent
    incident: Incident

    @property
    def number(self) -> int:
        """Running number of the line."""
        return self.event.number


class EventTail:
    """The end of the history of all incidents, read once for all streams.

    Parameters
    ----------
    state
        Store that holds the history.
    poll_s
        Shortest time between two looks at the store.
    """

    def __init__(self, state: StateStore, poll_s: float) -> None:
        self._state = state
        self._poll_s = poll_s
        self._kept: deque[TailEvent] = deque(maxlen=TAIL_EVENTS)
        self._newest: int | None = None
        self._looked_at_s = float("-inf")
        self._turn = asyncio.Lock()

    async def newest(self) -> int:
        """Number of the newest history line; 0 when there is none."""
        return await self._refreshed()

    async def after(self, number: int) -> list[TailEvent]:
        """Lines after a number, oldest first, at most `PAGE_LIMIT` of them."""
        newest = await self._refreshed()
        if number >= newest:
            return []
        if self._kept and self._kept[0].number <= number + 1:
            return [item for item in self._kept if item.number > number][:PAGE_LIMIT]
        return await run_in_threadpool(self._read, number)

    async def _refreshed(self) -> int:
        async with self._turn:
            if self._newest is None:
                self._newest = await run_in_threadpool(newest_number, self._state)
            if time.monotonic() - self._looked_at_s >= self._poll_s:
                fresh = await run_in_threadpool(self._read, self._newest)
                self._kept.extend(fresh)
                self._newest = fresh[-1].number if fresh else self._newest
                self._looked_at_s = time.monotonic()
            return self._newest

    def _read(self, number: int) -> list[TailEvent]:
        with self._state.reading() as tx:
            events = tx.incidents.events_after(number, PAGE_LIMIT)
            incidents = {e.incident_id: tx.incidents.get(e.incident_id) for e in events}
        return [
            TailEvent(event, incident)
            for event in events
            if (incident := incidents[event.incident_id]) is not None
        ]


def newest_number(state: StateStore) -> int:
    """Number of the newest history line, found in about two questions per binary digit."""
    with state.reading() as tx:
        return _last_number(tx.incidents)


def _last_number(incidents: Incidents) -> int:
    above = 1
    while incidents.events_after(above - 1, 1):
        above *= 2
    low, high = above // 2, above
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if incidents.events_after(middle - 1, 1) else (low, middle)
    return low


class StreamSlots:
    """So many streams at once.

    Parameters
    ----------
    limit
        Most streams open at the same time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self.open = 0
        self.refused = 0
        self.closing = False

    def take(self) -> None:
        """Occupy a slot.

        Raises
        ------
        DependencyError
            If all are taken, or the service is stopping.
        """
        with self._lock:
            if self.closing or self.open >= self._limit:
                self.refused += 1
                raise DependencyError("No further event stream can be opened now.")
            self.open += 1

    def release(self) -> None:
        """Give a slot back."""
        with self._lock:
            self.open -= 1

    def close(self) -> None:
        """End all streams within one poll, so that the server can stop."""
        self.closing = True


async def follow(
    tail: EventTail,
    slots: StreamSlots,
    *,
    after: int | None,
    firm_id: str | None,
    poll_s: float,
    heartbeat_s: float,
) -> AsyncIterator[ServerSentEvent]:
    """Events of one stream until it ends of itself or the client leaves.

    Parameters
    ----------
    after
        Number of the last line the client knows; ``None`` starts at the newest.
    firm_id
        Limits the stream to the incidents of one firm.
    poll_s, heartbeat_s
        See `api.settings.ApiSettings`.
    """
    newest = await tail.newest()
    number = newest if after is None else min(after, newest)
    started_s = time.monotonic()
    beat_s = float("-inf")
    while not slots.closing and time.monotonic() - started_s < STREAM_LIFETIME_S:
        for item in await tail.after(number):
            number = item.number
            if firm_id is None or item.incident.firm_id == firm_id:
                yield _incident_event(item)
        if time.monotonic() - beat_s >= heartbeat_s:
            beat_s = time.monotonic()
            yield _heartbeat(number)
        await asyncio.sleep(poll_s)


def _incident_event(item: TailEvent) -> ServerSentEvent:
    data = EventOut.joined(item.event, item.incident)
    return ServerSentEvent(event="incident", id=str(item.number), data=data)


def _heartbeat(number: int) -> ServerSentEvent:
    data = HeartbeatOut(number=number)
    return ServerSentEvent(event="heartbeat", id=str(number), data=data, retry=RETRY_MS)
