"""The HTTP application: API, event stream and console over the stores it is given."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import problems
from api.auth import LoginLimiter, Passwords, Sessions
from api.console import pages
from api.context import Context
from api.events import EventTail, StreamSlots
from api.metrics import MeasureRequests, Metrics
from api.middleware import BodyLimit, SecurityHeaders
from api.routes import (
    findings,
    firms,
    health,
    incidents,
    ledger,
    quarantine,
    readings,
    registry,
    session,
    shadow,
)
from api.settings import ApiSettings
from detectors.crane_duty import DutyReport
from domain.ports import StateStore, TelemetryStore

VERSION = "1"
"""Version of the API: the ``v1`` of its paths."""

_ROUTES = (
    registry,
    readings,
    incidents,
    findings,
    firms,
    ledger,
    quarantine,
    shadow,
    session,
    health,
)


def _not_known(_equipment_id: str) -> None:
    return None


def create_app(
    *,
    state: StateStore,
    telemetry: TelemetryStore,
    settings: ApiSettings,
    clock: Callable[[], int] = time.time_ns,
    readiness: Callable[[], Mapping[str, bool | str]],
    gauges: Callable[[], Mapping[str, float]],
    heard: Callable[[str], int | None] = _not_known,
    duty: Callable[[str], DutyReport | None] = _not_known,
) -> FastAPI:
    """Application over stores that outlive it.

    Parameters
    ----------
    clock
        Now in nanoseconds since the epoch.
    readiness
        Per part of the service, ``True`` or what is wrong with it.
    gauges
        Numbers for ``/metrics`` by snake_case name.
    heard
        Received time of the last message of a device, ``alive`` included, ``None`` when not known;
        without it, silence is judged by stored readings alone.
    duty
        Duty of a crane so far, ``None`` when not known.
    """
    slots = StreamSlots(settings.stream_clients)
    context = Context(
        state=state,
        telemetry=telemetry,
        settings=settings,
        clock=clock,
        readiness=readiness,
        gauges=gauges,
        heard=heard,
        duty=duty,
        sessions=Sessions(settings.session_secret, settings.session_s),
        passwords=Passwords(settings.login_parallel),
        logins=_login_limiter(settings),
        tail=EventTail(state, settings.stream_poll_s),
        slots=slots,
        metrics=Metrics(state, slots, gauges),
    )
    app = FastAPI(
        title="equipwatch",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=_lifespan,
    )
    app.state.context = context
    for module in _ROUTES:
        app.include_router(module.router)
    pages.install(app)
    problems.install(app, pages.error_page)
    limits = {registry.IMPORT_PATH: settings.import_limit_bytes}
    app.add_middleware(BodyLimit, limit_bytes=settings.body_limit_bytes, exceptions=limits)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(MeasureRequests, metrics=context.metrics)
    return app


def _login_limiter(settings: ApiSettings) -> LoginLimiter:
    return LoginLimiter(
        failures=settings.login_failures,
        window_s=settings.login_window_s,
        entries=settings.login_entries,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.context.slots.close()
