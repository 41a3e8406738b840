"""Numbers for Prometheus, in a registry of our own. Labels never name equipment."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.events import StreamSlots
from domain.ports import PAGE_LIMIT, IncidentQuery, StateStore

PREFIX = "equipwatch_"
STREAM_PATH = "/api/v1/stream"
"""Its requests last for minutes by intent, so their duration says nothing."""

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The API's own counters, and gauges that are read when they are asked for."""

    def __init__(
        self, state: StateStore, slots: StreamSlots, gauges: Callable[[], Mapping[str, float]]
    ) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            f"{PREFIX}http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.durations = Histogram(
            f"{PREFIX}http_request_duration_seconds",
            "Time to the last byte of the answer.",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.logins_failed = Counter(
            f"{PREFIX}logins_failed", "Logins with a wrong password.", registry=self.registry
        )
        self.logins_limited = Counter(
            f"{PREFIX}logins_limited",
            "Logins refused after too many failures.",
            registry=self.registry,
        )
        self.registry.register(_Gauges(state, slots, gauges))


class _Gauges:
    """Collector of what others count."""

    def __init__(
        self, state: StateStore, slots: StreamSlots, gauges: Callable[[], Mapping[str, float]]
    ) -> None:
        self._state = state
        self._slots = slots
        self._gauges = gauges

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing in advance: the stores need not be reachable yet."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read everything once."""
        yield _gauge("streams_open", "Event streams open.", self._slots.open)
        yield _gauge("streams_refused", "Event streams refused.", self._slots.refused)
        yield from self._of_state()
        for name, value in self._gauges().items():
            yield _gauge(name, "Told by the runtime.", value)

    def _of_state(self) -> Iterator[GaugeMetricFamily]:
        with self._state.reading() as tx:
            query = IncidentQuery(open_only=True, limit=PAGE_LIMIT)
            tally = Tally((i.kind, i.level) for i in tx.incidents.find(query))
            pending = tx.outbox.pending()
            findings = tx.incidents.count_findings()
            refusals = tx.quarantine.count()
        incidents = GaugeMetricFamily(
            f"{PREFIX}incidents_open",
            f"Open incidents, the newest {PAGE_LIMIT} at most.",
            labels=("kind", "level"),
        )
        for (kind, level), count in tally.items():
            incidents.add_metric((kind, level), count)
        yield incidents
        yield _gauge("notifications_pending", "Notifications not decided yet.", pending)
        yield _gauge("findings_kept", "Findings in the state store.", findings)
        yield _gauge("refusals_counted", "Messages and items in quarantine.", refusals)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


class MeasureRequests:
    """Counts requests by route template, so that ids of equipment never become labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started_s = time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            self._note(scope, status, time.perf_counter() - started_s)

    def _note(self, scope: Scope, status: int, duration_s: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        if route != STREAM_PATH:
            self._metrics.durations.labels(method, route).observe(duration_s)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
