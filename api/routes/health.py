"""Whether the service lives, whether it can work, and its numbers."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response, Security, status
from fastapi.security import HTTPAuthorizationCredentials
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.access import Require, authenticate, bearer_scheme, cookie_scheme
from api.context import Context, Ctx
from api.permissions import Action
from api.problems import problem
from api.schemas import Out
from domain.errors import DependencyError

router = APIRouter(tags=["health"])


class AliveOut(Out):
    """The process answers."""

    status: Literal["alive"] = "alive"


class ReadyOut(Out):
    """Every part can work."""

    status: Literal["ready"] = "ready"
    parts: list[str]


@router.get("/livez", summary="Is the process alive")
def livez() -> AliveOut:
    """Answer: nothing is looked at."""
    return AliveOut()


@router.get("/readyz", summary="Can the service work", response_model=ReadyOut, responses={503: {}})
def readyz(request: Request, ctx: Ctx) -> ReadyOut | Response:
    """Look at the stores and at what the runtime says of its parts."""
    parts = {
        "state_store": _tried(lambda: _read_state(ctx)),
        "telemetry_store": _tried(ctx.telemetry.position),
        **ctx.readiness(),
    }
    reasons = {name: found or "not ready" for name, found in parts.items() if found is not True}
    if reasons:
        detail = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return problem(request, status.HTTP_503_SERVICE_UNAVAILABLE, detail, reasons=reasons)
    return ReadyOut(parts=list(parts))


def _tried(attempt: Callable[[], object]) -> bool | str:
    try:
        attempt()
    except DependencyError as error:
        return str(error)
    return True


def _read_state(ctx: Context) -> None:
    with ctx.state.reading() as tx:
        tx.registry.version()


@router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
def metrics(
    request: Request,
    ctx: Ctx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)],
    cookie: Annotated[str | None, Security(cookie_scheme)],
) -> Response:
    """Text format of Prometheus; needs credentials unless ``metrics_public`` is set."""
    if not ctx.settings.metrics_public:
        _require_metrics(authenticate(request, ctx, bearer, cookie))
    return Response(generate_latest(ctx.metrics.registry), media_type=CONTENT_TYPE_LATEST)


_require_metrics = Require(Action.READ_METRICS)
