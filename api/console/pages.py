"""Routes of the console's pages."""

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import HTTPException
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from api import candidates
from api.access import (
    SESSION_COOKIE,
    Asker,
    Require,
    firm_scope,
    require_same_origin,
    visible_equipment,
    visible_incident,
)
from api.console import views
from api.console.texts import TEXTS, Language
from api.console.ui import LANGUAGE_COOKIE, language_of, render
from api.context import Ctx
from api.permissions import Action
from api.routes.ledger import DEVICE_HOURS, RECENT_HOURS, window
from api.routes.quarantine import ROW_ID_MAX, quarantine_detail, reexamined
from api.routes.registry import OFFSET_MAX
from api.routes.session import check_login, set_session
from api.routes.shadow import Name
from api.schemas import InstantIn
from api.shadow_schemas import CandidateDetailOut, CandidateOut
from domain.accounts import Principal
from domain.equipment import Kind
from domain.errors import DependencyError
from domain.instants import from_datetime
from domain.ports import PAGE_LIMIT, EpisodeQuery, EquipmentQuery, LedgerQuery
from domain.shadow import CandidateState, EpisodeOutcome

SEARCH_ROWS = 50
LEDGER_ROWS = 100
"""Devices on one page of the ledger."""

EPISODE_ROWS = 50
"""Episodes on one page of a candidate."""

LANGUAGE_S = 365 * 86_400
PLOTLY_VERSION = importlib.metadata.version("plotly")

_STATIC = Path(__file__).parent / "static"
_MACHINE_PATHS = ("/api/", "/metrics", "/livez", "/readyz", "/openapi.json", "/static/")
_LOGIN_ERRORS: Mapping[int, str] = {401: "wrong_login", 429: "limited_login"}

router = APIRouter(include_in_schema=False)

_Viewer = Annotated[Principal, Depends(Require(Action.READ_INCIDENTS))]
_Engineer = Annotated[Principal, Depends(Require(Action.READ_QUARANTINE))]
_ShadowReader = Annotated[Principal, Depends(Require(Action.READ_SHADOW))]

_CANDIDATE_ACTS: Mapping[CandidateState, tuple[str, ...]] = {
    CandidateState.RUNNING: ("promote", "stop"),
    CandidateState.STOPPED: ("promote",),
    CandidateState.PROMOTED: ("revert",),
}


class _Static(StaticFiles):
    """Files that browsers may keep but ask about before each use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, or a 404."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def install(app: FastAPI) -> None:
    """Add the console to the application."""
    app.include_router(router)
    app.mount("/static", _Static(directory=_STATIC), name="static")


def error_page(request: Request, status: int, detail: str) -> Response | None:  # noqa: ARG001 - detail is English
    """Render an error for a browser; the API's errors are left to problem details."""
    is_page = "text/html" in request.headers.get("accept", "")
    if not is_page or request.url.path.startswith(_MACHINE_PATHS):
        return None
    if status == HTTPStatus.UNAUTHORIZED and request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        target = quote(request.url.path + query)
        return RedirectResponse(f"/login?next={target}", HTTPStatus.SEE_OTHER)
    key = f"error_{int(status)}"
    general = "error_500" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "error_400"
    return render(request, "error.html", None, status, message=key if key in TEXTS else general)


@router.get("/static/plotly.min.js")
def plotly() -> FileResponse:
    """Plotly's own bundle out of the installed package; its address carries the version."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise DependencyError("The package plotly is not installed.")
    bundle = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return FileResponse(
        bundle,
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=604800, immutable"},
    )


@router.get("/login")
def login_page(request: Request, next: Annotated[str, Query(max_length=500)] = "/") -> Response:  # noqa: A002 - the parameter's name
    """Ask for name and password."""
    return render(request, "login.html", None, target=_local(next), error=None)


@router.post("/login")
def log_in(
    request: Request,
    ctx: Ctx,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=256)],
    target: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Check a password and set the session cookie."""
    require_same_origin(request)
    try:
        user = check_login(request, ctx, name, password)
    except HTTPException as error:
        return _login_again(request, target, error.status_code, error.headers)
    except DependencyError:
        return _login_again(request, target, HTTPStatus.SERVICE_UNAVAILABLE, None)
    response = RedirectResponse(_local(target), HTTPStatus.SEE_OTHER)
    set_session(request, response, ctx, user)
    return response


def _login_again(
    request: Request, target: str, status: int, headers: Mapping[str, str] | None
) -> Response:
    error = _LOGIN_ERRORS.get(status, "busy_login")
    page = render(request, "login.html", None, status, target=_local(target), error=error)
    page.headers.update(headers or {})
    return page


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Take the session cookie away."""
    require_same_origin(request)
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/language/{language}")
def switch_language(
    language: Language, back: Annotated[str, Query(max_length=500)] = "/"
) -> Response:
    """Keep the language in a cookie and go back."""
    response = RedirectResponse(_local(back), HTTPStatus.SEE_OTHER)
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=LANGUAGE_S, samesite="strict")
    return response


def _local(address: str) -> str:
    """Path on this site, the board for anything else: no page may send people elsewhere."""
    parts = urlsplit(address)
    plain = address.startswith("/") and "\\" not in address and address.isprintable()
    return address if plain and not address.startswith("//") and not parts.netloc else "/"


@router.get("/")
def board(request: Request, ctx: Ctx, principal: _Viewer) -> Response:
    """Show open incidents, rescue cases on top."""
    with ctx.state.reading() as tx:
        shown = views.board(tx, firm_scope(principal))
    return render(request, "board.html", principal, board=shown)


@router.get("/incidents/{incident_id}")
def incident_page(request: Request, ctx: Ctx, incident_id: str, principal: _Viewer) -> Response:
    """Show one incident with its evidence and what may be done."""
    with ctx.state.reading() as tx:
        incident = visible_incident(tx, principal, incident_id)
        shown = views.incident(tx, principal, incident)
    plot = views.incident_plot(shown, language_of(request))
    return render(
        request, "incident.html", principal, shown=shown, plot=plot, plotly=PLOTLY_VERSION
    )


@router.get("/equipment")
def search(
    request: Request,
    ctx: Ctx,
    principal: Asker,
    text: Annotated[str, Query(max_length=200)] = "",
    kind: Annotated[str, Query(max_length=20)] = "",
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
) -> Response:
    """Find equipment by what a caller can read out."""
    query = EquipmentQuery(
        kind=Kind(kind) if kind in set(Kind) else None,
        firm_id=firm_scope(principal),
        text=text.strip(),
        limit=SEARCH_ROWS,
        offset=offset,
    )
    with ctx.state.reading() as tx:
        found = tx.registry.find(query)
    more = offset + SEARCH_ROWS if len(found) == SEARCH_ROWS else None
    return render(
        request, "search.html", principal, found=found, text=text, kind=kind, more=more, kinds=Kind
    )


@router.get("/equipment/{equipment_id}")
def equipment_page(request: Request, ctx: Ctx, equipment_id: str, principal: _Viewer) -> Response:
    """Show a device with its live values."""
    with ctx.state.reading() as tx:
        equipment = visible_equipment(tx, principal, equipment_id)
        shown = views.equipment(tx, firm_scope(principal), equipment)
    latest = views.live(ctx.telemetry, equipment, ctx)
    plot = views.equipment_plot(equipment, language_of(request), ctx.clock())
    return render(
        request,
        "equipment.html",
        principal,
        shown=shown,
        latest=latest,
        plot=plot,
        plotly=PLOTLY_VERSION,
    )


@router.get("/ledger")
def ledger_page(
    request: Request,
    ctx: Ctx,
    principal: _Viewer,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
) -> Response:
    """Show the devices of the last hours, those first of which most is missing."""
    start_ns, end_ns = window(None, None, ctx.clock(), RECENT_HOURS)
    query = LedgerQuery(
        start_ns=start_ns,
        end_ns=end_ns,
        firm_id=firm_scope(principal),
        limit=LEDGER_ROWS,
        offset=offset,
    )
    with ctx.state.reading() as tx:
        found = tx.ledger.worst(query)
    more = offset + LEDGER_ROWS if len(found) == LEDGER_ROWS else None
    return render(
        request,
        "ledger.html",
        principal,
        found=found,
        more=more,
        start_ns=start_ns,
        end_ns=end_ns,
    )


@router.get("/ledger/{equipment_id}")
def equipment_ledger_page(
    request: Request,
    ctx: Ctx,
    equipment_id: str,
    principal: _Viewer,
    until: InstantIn | None = None,
) -> Response:
    """Show a device hour by hour, newest first."""
    now_ns = ctx.clock()
    end_ns = None if until is None else from_datetime(until)
    start_ns, end_ns = window(None, end_ns, now_ns, DEVICE_HOURS)
    with ctx.state.reading() as tx:
        equipment = visible_equipment(tx, principal, equipment_id)
        shown = views.ledger(tx, equipment, start_ns, end_ns)
    return render(request, "equipment_ledger.html", principal, shown=shown, now_ns=now_ns)


@router.get("/quarantine")
def quarantine_page(
    request: Request,
    ctx: Ctx,
    principal: _Engineer,
    sender: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Show what was refused, of everybody or of one sender."""
    with ctx.state.reading() as tx:
        entries = tx.quarantine.find(sender=sender, limit=PAGE_LIMIT)
    return render(request, "quarantine.html", principal, entries=entries)


@router.get("/quarantine/{entry_id}")
def quarantine_entry_page(
    request: Request,
    ctx: Ctx,
    entry_id: Annotated[int, PathParameter(ge=1, le=ROW_ID_MAX)],
    principal: _Engineer,
) -> Response:
    """Show one group of refusals with its originals."""
    entry = quarantine_detail(ctx, entry_id)
    verdicts = reexamined(ctx, entry_id).verdicts
    return render(request, "quarantine_entry.html", principal, entry=entry, verdicts=verdicts)


@router.get("/shadow")
def shadow_page(request: Request, ctx: Ctx, principal: _ShadowReader) -> Response:
    """Show candidates, newest first."""
    with ctx.state.reading() as tx:
        found = tx.shadow.candidates()
    return render(request, "shadow.html", principal, found=[CandidateOut.of(one) for one in found])


@router.get("/shadow/{name}")
def candidate_page(
    request: Request,
    ctx: Ctx,
    name: Name,
    principal: _ShadowReader,
    outcome: EpisodeOutcome | None = None,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
) -> Response:
    """Show what a candidate would have added and missed, and what may be done with it."""
    query = EpisodeQuery(candidate=name, outcome=outcome, limit=EPISODE_ROWS, offset=offset)
    with ctx.state.reading() as tx:
        candidate = candidates.found(tx, name)
        acts = tx.shadow.acts(candidate=name)
        episodes = tx.shadow.episodes(query)
    return render(
        request,
        "candidate.html",
        principal,
        shown=CandidateDetailOut.detailed(candidate, acts),
        acts=_CANDIDATE_ACTS.get(candidate.state, ()),
        episodes=episodes,
        outcomes=EpisodeOutcome,
        outcome=outcome,
        more=offset + EPISODE_ROWS if len(episodes) == EPISODE_ROWS else None,
    )
