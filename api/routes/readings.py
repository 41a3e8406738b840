"""Latest and historic readings of a device."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.access import Require, visible_equipment
from api.context import Ctx
from api.live import latest_values
from api.permissions import Action
from api.routes.paging import Limit, next_page
from api.schemas import InstantIn, Page
from api.telemetry_schemas import DutyOut, LatestOut, SampleOut
from domain.accounts import Principal
from domain.equipment import Equipment
from domain.errors import NotFoundError, UsageError
from domain.instants import from_datetime, to_datetime
from domain.ports import PAGE_LIMIT, TelemetryStore
from domain.readings import Sample

NS_PER_US = 1_000

router = APIRouter(prefix="/api/v1/equipment/{equipment_id}", tags=["readings"])

_Reader = Annotated[Principal, Depends(Require(Action.READ_EQUIPMENT))]


@router.get("/latest", summary="Live values", responses={404: {}})
def get_latest(equipment_id: str, ctx: Ctx, principal: _Reader) -> LatestOut:
    """Return the value of every channel, unknown when the device has been silent for too long."""
    with ctx.state.reading() as tx:
        equipment = visible_equipment(tx, principal, equipment_id)
    return latest_values(ctx.telemetry, equipment, ctx.clock(), ctx.heard(equipment.id))


@router.get("/duty", summary="Cycles and load spectrum of a crane", responses={404: {}})
def get_duty(equipment_id: str, ctx: Ctx, principal: _Reader) -> DutyOut:
    """Return hoisting cycles, load spectrum and the used share of the design working period.

    Raises
    ------
    NotFoundError
        If the equipment is no crane, or detection does not run in this process.
    """
    with ctx.state.reading() as tx:
        equipment = visible_equipment(tx, principal, equipment_id)
    report = ctx.duty(equipment.id)
    if report is None:
        raise NotFoundError(f"No duty is counted of {equipment.id} here.")
    return DutyOut.of(equipment.id, report)


@router.get("/readings", summary="History", responses={404: {}})
def list_readings(
    request: Request,
    equipment_id: str,
    ctx: Ctx,
    principal: _Reader,
    start: Annotated[InstantIn, Query(description="First event time, with offset or Z.")],
    end: Annotated[InstantIn, Query(description="End of the event times, not included.")],
    limit: Limit = PAGE_LIMIT,
) -> Page[SampleOut]:
    """Rows by event time, oldest first.

    A page is cut between instants, never within one, so it may hold fewer rows than ``limit``, and
    more when that many share one microsecond.
    """
    start_ns, end_ns = from_datetime(start), from_datetime(end)
    if end_ns <= start_ns:
        raise UsageError("end must be after start")
    with ctx.state.reading() as tx:
        equipment = visible_equipment(tx, principal, equipment_id)
    rows, next_ns = read_page(ctx.telemetry, equipment, start_ns, end_ns, limit)
    more = None
    if next_ns is not None:
        text = to_datetime(next_ns).isoformat().replace("+00:00", "Z")
        more = next_page(request, start=text)
    return Page(items=[SampleOut.of(row) for row in rows], next=more)


def read_page(
    telemetry: TelemetryStore, equipment: Equipment, start_ns: int, end_ns: int, limit: int
) -> tuple[list[Sample], int | None]:
    """One page of rows, and where the next one starts, ``None`` at the end."""
    kind, equipment_id = equipment.kind, equipment.id
    rows = list(
        telemetry.history(kind, equipment_id, start_ns=start_ns, end_ns=end_ns, limit=limit)
    )
    if len(rows) < limit:
        return rows, None
    cut_ns = rows[-1].event_time_ns // NS_PER_US * NS_PER_US
    whole = [row for row in rows if row.event_time_ns < cut_ns]
    if whole:
        return whole, cut_ns
    after_ns = cut_ns + NS_PER_US
    rows = list(
        telemetry.history(
            kind, equipment_id, start_ns=start_ns, end_ns=min(after_ns, end_ns), limit=PAGE_LIMIT
        )
    )
    return rows, after_ns if after_ns < end_ns else None
