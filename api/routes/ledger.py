"""What was received, missing and refused, per device and hour."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.access import Require, firm_scope, visible_equipment
from api.context import Ctx
from api.ledger_schemas import LedgerOut, LedgerTotalOut, device_ledger
from api.permissions import Action
from api.routes.paging import Limit, next_page
from api.routes.registry import OFFSET_MAX
from api.schemas import InstantIn, Page
from domain.accounts import Principal
from domain.errors import UsageError
from domain.instants import from_datetime, to_iso
from domain.ledger import HOUR_NS, hour_start
from domain.ports import LedgerQuery

DEVICE_HOURS = 24
RECENT_HOURS = 3
"""Hours that a device's ledger, and the listing of devices, show when no time is given."""

HOURS_MAX = 31 * 24
"""Most hours of one answer."""

router = APIRouter(prefix="/api/v1", tags=["ledger"])

_Reader = Annotated[Principal, Depends(Require(Action.READ_EQUIPMENT))]
_From = Annotated[
    InstantIn | None, Query(alias="from", description="In the first hour, with offset or Z.")
]
_To = Annotated[
    InstantIn | None,
    Query(alias="to", description="End of the hours, not included; now if absent."),
]


@router.get("/ledger", summary="Devices by what went wrong, worst first")
def list_ledger(
    request: Request,
    ctx: Ctx,
    principal: _Reader,
    start: _From = None,
    end: _To = None,
    limit: Limit = 100,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
) -> Page[LedgerTotalOut]:
    """Sums over hours: most missing first, then most refused, then furthest clock."""
    start_ns, end_ns = window(_ns(start), _ns(end), ctx.clock(), RECENT_HOURS)
    query = LedgerQuery(
        start_ns=start_ns,
        end_ns=end_ns,
        firm_id=firm_scope(principal),
        limit=limit,
        offset=offset,
    )
    with ctx.state.reading() as tx:
        found = tx.ledger.worst(query)
    more = None
    if len(found) == limit:
        # The window stays as it is, however late the next page is asked for.
        times = {"from": to_iso(start_ns), "to": to_iso(end_ns)}
        more = next_page(request, offset=offset + limit, **times)
    return Page(items=[LedgerTotalOut.of(total) for total in found], next=more)


@router.get("/ledger/{equipment_id}", summary="One device hour by hour", responses={404: {}})
def get_ledger(
    equipment_id: str, ctx: Ctx, principal: _Reader, start: _From = None, end: _To = None
) -> LedgerOut:
    """Every hour of a window; an hour of which nothing is known says so, and is not zero."""
    now_ns = ctx.clock()
    start_ns, end_ns = window(_ns(start), _ns(end), now_ns, DEVICE_HOURS)
    with ctx.state.reading() as tx:
        visible_equipment(tx, principal, equipment_id)
        rows = tx.ledger.hours(equipment_id, start_ns=start_ns, end_ns=end_ns, limit=HOURS_MAX)
    return device_ledger(equipment_id, rows, start_ns, end_ns, now_ns)


def window(start_ns: int | None, end_ns: int | None, now_ns: int, hours: int) -> tuple[int, int]:
    """Begin of the first hour and end of the last one; ``hours`` of them when no begin is given.

    Raises
    ------
    UsageError
        If it is empty or longer than `HOURS_MAX`.
    """
    last_ns = hour_start((now_ns if end_ns is None else end_ns) - 1) + HOUR_NS
    first_ns = last_ns - hours * HOUR_NS if start_ns is None else hour_start(start_ns)
    if first_ns >= last_ns:
        raise UsageError("to must be after from")
    if last_ns - first_ns > HOURS_MAX * HOUR_NS:
        raise UsageError(f"at most {HOURS_MAX} hours can be asked for at once")
    return first_ns, last_ns


def _ns(instant: InstantIn | None) -> int | None:
    return None if instant is None else from_datetime(instant)
