"""The core process: pipeline, dispatch and API, each in its own thread, over shared stores."""

import contextlib
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog
import uvicorn

from api.app import create_app
from api.settings import ApiSettings
from detectors.crane_duty import DutyReport
from dispatch.courier import Courier
from domain.errors import DependencyError
from domain.instants import NS_PER_S
from domain.ports import StateStore, TelemetryStore
from ingest.disk import Mark
from ingest.journal import JournalError, JournalReader
from runtime.accounts import ensure_admin
from runtime.loader import LOAD_ROWS, Loader
from runtime.pipeline import Pipeline
from runtime.reopening import ReopeningStore
from runtime.retention import Retention
from runtime.settings import Settings
from runtime.site import Endpoints, Site, write_endpoints
from runtime.snapshots import SnapshotDirectory
from runtime.wiring import open_channels, open_state, open_telemetry
from runtime.workers import STOP_GRACE_S, Workers, collect_rarely

LAG_MAX_S = 15.0
"""Journal time may be this far behind the clock before the service calls itself not ready."""

STATS_AGE_MAX_S = 5.0
"""Older counters are those of an ingest process that is gone: it writes them every second."""

LOAD_INTERVAL_S = 1.0
"""Longest wait before decoded rows are stored; `LOAD_ROWS` end it earlier."""

_LIVE_LAG_S = 1.0
"""Nearer than this to the clock the pipeline keeps its pace; behind it, it hurries."""

_RETRY_FIRST_S = 0.2
_RETRY_LONGEST_S = 5.0
_REGISTRY_POLL_S = 1.0
_LOAD_POLL_S = 0.05
_GIVE_WAY_LAG_S = 1.0
_GIVE_WAY_S = 0.2
"""While the pipeline lags this much, the loader rests this long between steps of catching up."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Health:
    """What the pipeline tells about itself.

    Parameters
    ----------
    error
        Why it cannot work at the moment, empty when it can.
    """

    now_ns: int = 0
    position: int = 0
    error: str = ""
    counters: Mapping[str, int] = field(default_factory=dict)
    pipeline: Pipeline | None = None
    ingest_stats: Path | None = None

    def readiness(self) -> Mapping[str, bool | str]:
        """Per part, ``True`` or what is wrong."""
        ingest = self._ingest()
        connected = bool(ingest.get("connected", 0))
        parts: dict[str, bool | str] = {
            "pipeline": self._pipeline_state(),
            "broker": True if connected else "ingest is not connected",
            "journal": journal_state(ingest),
        }
        if self.pipeline is not None:
            parts["telemetry"] = telemetry_state(self.pipeline.loader)
            parts["snapshots"] = self.pipeline.snapshot_error or True
        return parts

    def _pipeline_state(self) -> bool | str:
        if self.error:
            return self.error
        if not self.now_ns:
            return "no journal frame seen yet"
        lag_s = self.lag_s()
        return True if lag_s <= LAG_MAX_S else f"{lag_s:.0f} s behind the clock"

    def gauges(self) -> Mapping[str, float]:
        """Numbers for /metrics."""
        totals = {f"pipeline_{name}": float(value) for name, value in self.counters.items()}
        own = {"pipeline_position": float(self.position), "pipeline_lag_seconds": self.lag_s()}
        ingest = {f"ingest_{name}": value for name, value in self._ingest().items()}
        loader = {} if self.pipeline is None else telemetry_gauges(self.pipeline.loader)
        rates = {} if self.pipeline is None else self.pipeline.alarm_rates()
        return {**own, **totals, **loader, **rates, **ingest}

    def heard(self, equipment_id: str) -> int | None:
        """Received time of a device's last sign of life, ``None`` when it is not known here."""
        return None if self.pipeline is None else self.pipeline.heard_ns(equipment_id)

    def duty(self, equipment_id: str) -> DutyReport | None:
        """Duty of a crane so far, ``None`` when it is not known here."""
        return None if self.pipeline is None else self.pipeline.duty(equipment_id)

    def _ingest(self) -> Mapping[str, float]:
        """Counters of the ingest process; none when it has not written them lately."""
        if self.ingest_stats is None or not self.ingest_stats.exists():
            return {}
        if time.time() - self.ingest_stats.stat().st_mtime > STATS_AGE_MAX_S:
            return {}
        return msgspec.json.decode(self.ingest_stats.read_bytes(), type=dict[str, float])

    def lag_s(self) -> float:
        """Seconds between the clock and the newest frame applied."""
        return (time.time_ns() - self.now_ns) / NS_PER_S


def journal_state(ingest: Mapping[str, float]) -> bool | str:
    """``True``, or why ingest acknowledges nothing."""
    if ingest.get("disk_mark", 0) >= Mark.STOPPED:
        return "the disk is full: nothing is acknowledged until there is space"
    return "it cannot be written: nothing is acknowledged" if ingest.get("journal_away") else True


def telemetry_state(loader: Loader) -> bool | str:
    """``True``, or what is away and how much is not stored yet."""
    lag = loader.lag()
    if not loader.error and lag.behind_s <= LAG_MAX_S:
        return True
    least = "" if lag.known else "at least "
    missing = f"{least}{lag.behind_s:.0f} s and {lag.frames} journal frames not stored"
    return f"{missing}, catching up" if not loader.error else f"{missing}: {loader.error}"


def telemetry_gauges(loader: Loader) -> Mapping[str, float]:
    """Numbers of the way into the telemetry store."""
    lag = loader.lag()
    return {
        "telemetry_behind_seconds": lag.behind_s,
        "telemetry_behind_frames": float(lag.frames),
        "telemetry_held_rows": float(loader.held_rows),
        "telemetry_dropped_rows": float(loader.dropped_rows),
        "telemetry_failures": float(loader.failures),
    }


def run_core(settings: Settings, site: Site, roles: Sequence[str]) -> int:
    """Run pipeline, dispatch and API, or some of them, until told to stop; return an exit code."""
    collect_rarely()
    with contextlib.ExitStack() as stack:
        state = open_state(settings, site)
        stack.callback(state.close)
        telemetry = ReopeningStore(lambda: open_telemetry(settings, site))
        stack.callback(telemetry.close)
        health = Health(ingest_stats=site.ingest_stats)
        server = _server(settings, site, state, telemetry, health)
        workers = Workers(on_failure=lambda: setattr(server, "should_exit", True))
        stack.callback(workers.stop)
        if "pipeline" in roles:
            loop = PipelineLoop(settings, site, state, telemetry, health)
            workers.start("pipeline", loop.run)
            workers.start("loader", loop.run_loader)
        if "dispatch" in roles:
            workers.start("courier", lambda stop: _run_courier(settings, state, stop))
        if "api" in roles:
            _serve_api(settings, site, state, server)
        else:
            workers.stop_on_signal()
            workers.wait()
    return 1 if workers.failed else 0


class PipelineLoop:
    """Keeps a pipeline and its loader going, each in a thread: whatever is away comes back."""

    def __init__(
        self,
        settings: Settings,
        site: Site,
        state: StateStore,
        telemetry: TelemetryStore,
        health: Health,
    ) -> None:
        self._settings = settings
        self._site = site
        self._state = state
        self._telemetry = telemetry
        self._health = health
        self._snapshots = SnapshotDirectory(site.snapshots)
        self._loader_reader = JournalReader(site.journal)
        self._built = threading.Event()
        self._ended = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Apply frames until ``stop``; then record what was applied and save a snapshot."""
        reader = JournalReader(self._site.journal)
        try:
            pipeline = self._pipeline(reader)
            self._health.pipeline = pipeline
            self._built.set()
            collect_rarely()
            self._loop(pipeline, reader, stop)
            pipeline.save()
        finally:
            self._built.set()
            self._ended.set()
            reader.close()

    def run_loader(self, stop: threading.Event) -> None:
        """Store what the pipeline decodes until ``stop``; then what it applied at the very end."""
        self._built.wait()
        if self._health.pipeline is None:
            return
        loader = self._health.pipeline.loader
        try:
            self._load(loader, stop)
            self._ended.wait(STOP_GRACE_S)
            if not loader.error and not loader.behind:
                loader.drain()
        finally:
            self._loader_reader.close()

    def _pipeline(self, reader: JournalReader) -> Pipeline:
        return Pipeline(
            reader=reader,
            telemetry=self._telemetry,
            state=self._state,
            snapshots=self._snapshots,
            loader_reader=self._loader_reader,
            give_up_to=self._settings.journal.give_up_to,
            parameters=self._settings.detectors,
            held_back=self._settings.shadow.detectors,
            batch_messages=self._settings.pipeline.batch_messages,
            snapshot_interval_s=self._settings.pipeline.snapshot_interval_s,
            gap_hold_s=self._settings.ledger.gap_hold_s,
        )

    def _loop(self, pipeline: Pipeline, reader: JournalReader, stop: threading.Event) -> None:
        wait_s = _RETRY_FIRST_S
        registry_due_s = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() >= registry_due_s:
                    pipeline.refresh_fleet()
                    pipeline.refresh_candidates()
                    registry_due_s = time.monotonic() + _REGISTRY_POLL_S
                frames = pipeline.step()
            except (DependencyError, JournalError) as error:
                self._tell_error(error)
                # A segment that was put back in place is another file: look anew.
                reader.close()
                stop.wait(wait_s)
                wait_s = min(wait_s * 2, _RETRY_LONGEST_S)
                continue
            wait_s = _RETRY_FIRST_S
            self._tell(pipeline)
            # A step has a price of its own: few large ones are cheaper than many small ones.
            if not frames or self._health.lag_s() < _LIVE_LAG_S:
                stop.wait(self._settings.pipeline.poll_interval_s)

    def _load(self, loader: Loader, stop: threading.Event) -> None:
        retention = Retention(
            journal=self._site.journal,
            snapshots=self._snapshots,
            telemetry=self._telemetry,
            state=self._state,
            settings=self._settings,
        )
        wait_s = _RETRY_FIRST_S
        while self._rows_to_load(loader, stop):
            try:
                loader.step()
            except (DependencyError, JournalError):
                # The loader tells and logs why, once a streak.
                self._loader_reader.close()
                stop.wait(wait_s)
                wait_s = min(wait_s * 2, _RETRY_LONGEST_S)
                continue
            wait_s = _RETRY_FIRST_S
            retention.run_when_due(loader.newest_ns)

    def _rows_to_load(self, loader: Loader, stop: threading.Event) -> bool:
        """Wait until another step is worth it; say whether to go on at all."""
        if loader.behind and self._health.lag_s() > _GIVE_WAY_LAG_S:
            stop.wait(_GIVE_WAY_S)
        due_s = time.monotonic() + LOAD_INTERVAL_S
        while not (loader.behind or loader.held_rows >= LOAD_ROWS or time.monotonic() >= due_s):
            if stop.wait(_LOAD_POLL_S):
                break
        return not stop.is_set()

    def _tell_error(self, error: Exception) -> None:
        if not self._health.error:
            damaged = not isinstance(error, DependencyError)
            log = _log.error if damaged else _log.warning
            log("journal_unusable" if damaged else "store_away", error=str(error))
        self._health.error = str(error)

    def _tell(self, pipeline: Pipeline) -> None:
        if self._health.error:
            _log.info("pipeline_goes_on")
        self._health.error = ""
        self._health.now_ns = pipeline.now_ns
        self._health.position = pipeline.position
        self._health.counters = pipeline.counters


def _run_courier(settings: Settings, state: StateStore, stop: threading.Event) -> None:
    channels, close_channels = open_channels(settings)
    courier = Courier(state, channels)
    try:
        while not stop.is_set():
            try:
                courier.run_once(time.time_ns())
            except DependencyError as error:
                _log.warning("outbox_away", error=str(error))
            stop.wait(settings.dispatch.poll_interval_s)
    finally:
        courier.close(time.time_ns())
        close_channels()


def _server(
    settings: Settings, site: Site, state: StateStore, telemetry: TelemetryStore, health: Health
) -> uvicorn.Server:
    app = create_app(
        state=state,
        telemetry=telemetry,
        settings=ApiSettings(
            session_secret=site.secrets().session_key.encode(),
            metrics_public=settings.http.metrics_public,
        ),
        readiness=health.readiness,
        gauges=health.gauges,
        heard=health.heard,
        duty=health.duty,
    )
    config = uvicorn.Config(
        app,
        host=settings.http.host,
        port=settings.http.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # An event stream never ends by itself.
        timeout_graceful_shutdown=3,
    )
    return uvicorn.Server(config)


def _serve_api(settings: Settings, site: Site, state: StateStore, server: uvicorn.Server) -> None:
    ensure_admin(state, site.secrets().admin_password)
    host = settings.http.host if settings.http.host != "0.0.0.0" else "127.0.0.1"  # noqa: S104
    write_endpoints(
        site,
        Endpoints(
            console=f"http://{host}:{settings.http.port}",
            broker=settings.broker.url,
        ),
    )
    for signum in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal that ended it once more: by default that would end the process
        # before the workers have recorded what they applied.
        signal.signal(signum, lambda *_: setattr(server, "should_exit", True))
    server.run()
