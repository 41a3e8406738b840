"""What every route works with, built once by `api.app.create_app`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from api.auth import LoginLimiter, Passwords, Sessions
from api.events import EventTail, StreamSlots
from api.metrics import Metrics
from api.settings import ApiSettings
from detectors.crane_duty import DutyReport
from domain.ports import StateStore, TelemetryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Stores, clock and the few things with memory."""

    state: StateStore
    telemetry: TelemetryStore
    settings: ApiSettings
    clock: Callable[[], int]
    readiness: Callable[[], Mapping[str, bool | str]]
    gauges: Callable[[], Mapping[str, float]]
    heard: Callable[[str], int | None]
    duty: Callable[[str], DutyReport | None]
    sessions: Sessions
    passwords: Passwords
    logins: LoginLimiter
    tail: EventTail
    slots: StreamSlots
    metrics: Metrics


def get_context(request: Request) -> Context:
    """Context of the application that serves the request."""
    return cast("Context", request.app.state.context)


Ctx = Annotated[Context, Depends(get_context)]
