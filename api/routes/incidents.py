"""Incidents: listing, detail, what people do with them, and the event stream."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, status
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access import Require, firm_scope, visible_equipment, visible_incident
from api.context import Context, Ctx
from api.details import incident_detail
from api.events import follow
from api.permissions import Action
from api.routes.paging import Limit, next_page
from api.schemas import (
    CloseIn,
    CommentIn,
    HistoryOut,
    IncidentDetailOut,
    IncidentOut,
    NoteIn,
    OpenIn,
    Page,
)
from dispatch import desk
from domain.accounts import Principal
from domain.incidents import Incident, IncidentAction
from domain.ports import IncidentQuery, StateTransaction

router = APIRouter(prefix="/api/v1", tags=["incidents"])

_Reader = Annotated[Principal, Depends(Require(Action.READ_INCIDENTS))]
_CHANGED: dict[int | str, dict[str, Any]] = {404: {}, 409: {}}


@router.get("/incidents", summary="List incidents, newest first")
def list_incidents(
    request: Request,
    ctx: Ctx,
    principal: _Reader,
    open: bool = False,  # noqa: A002, FBT002 - the query parameter's name and default
    equipment_id: Annotated[str | None, Query(max_length=64)] = None,
    case: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[IncidentOut]:
    """Incidents by state, device and case; ``before`` continues after that incident."""
    query = IncidentQuery(
        open_only=open,
        equipment_id=equipment_id,
        firm_id=firm_scope(principal),
        case=case,
        limit=limit,
        before_id=before,
    )
    with ctx.state.reading() as tx:
        if before is not None:
            visible_incident(tx, principal, before)
        found = tx.incidents.find(query)
    more = next_page(request, before=found[-1].id) if len(found) == limit else None
    return Page(items=[IncidentOut.of(incident) for incident in found], next=more)


@router.get("/incidents/{incident_id}", summary="One incident", responses={404: {}})
def get_incident(incident_id: str, ctx: Ctx, principal: _Reader) -> IncidentDetailOut:
    """Return everything about an incident: history, levels, evidence, deliveries, code meanings."""
    with ctx.state.reading() as tx:
        incident = visible_incident(tx, principal, incident_id)
        return incident_detail(tx, principal, incident)


@router.post("/incidents", summary="Open a rescue case by hand", status_code=201)
def open_incident(
    body: OpenIn, ctx: Ctx, principal: Annotated[Principal, Depends(Require(Action.OPEN_INCIDENT))]
) -> IncidentOut:
    """Open a rescue case of a lift for a caller, or join the one that is open."""
    with ctx.state.writing() as tx:
        equipment = visible_equipment(tx, principal, body.equipment_id)
        opened = desk.open_by_hand(tx, equipment.id, principal.name, ctx.clock(), body.note)
    return IncidentOut.of(opened)


@router.post("/incidents/{incident_id}/acknowledge", summary="Take over", responses=_CHANGED)
def acknowledge(
    incident_id: str,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Require(Action.ACKNOWLEDGE))],
    body: NoteIn | None = None,
) -> IncidentOut:
    """Take an incident over: from now on telemetry neither filters nor closes it."""

    def act(tx: StateTransaction) -> Incident:
        now_ns = ctx.clock()
        taken = desk.acknowledge(tx, incident_id, principal.name, now_ns)
        if body and body.note:
            desk.comment(tx, incident_id, principal.name, now_ns, body.note)
        return taken

    return _changed(ctx, principal, incident_id, act)


def _step(action: Action, step: IncidentAction, path: str, summary: str, text: str) -> None:
    def route(
        incident_id: str,
        ctx: Ctx,
        principal: Annotated[Principal, Depends(Require(action))],
        body: NoteIn | None = None,
    ) -> IncidentOut:
        note = body.note if body else ""
        return _changed(
            ctx,
            principal,
            incident_id,
            lambda tx: desk.advance(tx, incident_id, step, principal.name, ctx.clock(), note),
        )

    route.__name__ = path
    route.__doc__ = text
    router.post(f"/incidents/{{incident_id}}/{path}", summary=summary, responses=_CHANGED)(route)


_step(
    Action.ACCEPT,
    IncidentAction.ACCEPTED,
    "accept",
    "Accept the work",
    "Record that a firm's people are on the way.",
)
_step(
    Action.ARRIVE,
    IncidentAction.ARRIVED,
    "arrive",
    "Arrived on site",
    "Record that somebody is on site.",
)
_step(
    Action.FREE,
    IncidentAction.FREED,
    "free",
    "People are free",
    "Record the end of the alarm by a person on site.",
)
_step(
    Action.VERIFY,
    IncidentAction.VERIFIED,
    "verify",
    "Verified by call-back",
    "Record that a call-back confirmed the rescue.",
)
_step(
    Action.RESOLVE,
    IncidentAction.RESOLVED,
    "resolve",
    "Resolved",
    "Record that the condition was dealt with.",
)


@router.post("/incidents/{incident_id}/close", summary="Close with a reason", responses=_CHANGED)
def close(
    incident_id: str,
    body: CloseIn,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Require(Action.CLOSE))],
) -> IncidentOut:
    """Close an incident; which reasons are allowed depends on its state."""
    return _changed(
        ctx,
        principal,
        incident_id,
        lambda tx: desk.close(tx, incident_id, body.reason, principal.name, ctx.clock(), body.note),
    )


@router.post(
    "/incidents/{incident_id}/comments",
    summary="Comment",
    status_code=status.HTTP_201_CREATED,
    responses={404: {}},
)
def comment(
    incident_id: str,
    body: CommentIn,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Require(Action.COMMENT))],
) -> HistoryOut:
    """Add a comment to the history, in any state."""
    with ctx.state.writing() as tx:
        visible_incident(tx, principal, incident_id)
        return HistoryOut.of(desk.comment(tx, incident_id, principal.name, ctx.clock(), body.text))


def _changed(
    ctx: Context,
    principal: Principal,
    incident_id: str,
    act: Callable[[StateTransaction], Incident],
) -> IncidentOut:
    with ctx.state.writing() as tx:
        visible_incident(tx, principal, incident_id)
        return IncidentOut.of(act(tx))


def _slot(ctx: Ctx, _: _Reader) -> Iterator[None]:
    """Occupy a slot for as long as the answer lasts, once the client may read at all."""
    ctx.slots.take()
    try:
        yield
    finally:
        ctx.slots.release()


@router.get(
    "/stream",
    summary="Event stream",
    response_class=EventSourceResponse,
    dependencies=[Depends(_slot)],
    responses={503: {}},
)
async def stream(
    ctx: Ctx,
    principal: _Reader,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
    after: Annotated[int | None, Query(ge=0)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow history lines as they are written (event ``incident``), with heartbeats between.

    ``Last-Event-ID``, or ``after`` for a first connection, continues after that line.
    """
    events = follow(
        ctx.tail,
        ctx.slots,
        after=after if last_event_id is None else last_event_id,
        firm_id=firm_scope(principal),
        poll_s=ctx.settings.stream_poll_s,
        heartbeat_s=ctx.settings.heartbeat_s,
    )
    async for event in events:
        yield event
