"""What detectors claimed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.access import Require, firm_scope, visible_equipment
from api.context import Ctx
from api.permissions import Action
from api.routes.paging import Limit
from api.schemas import FindingOut, Page
from domain.accounts import Principal

router = APIRouter(prefix="/api/v1", tags=["findings"])


@router.get("/findings", summary="List findings, newest first")
def list_findings(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Require(Action.READ_INCIDENTS))],
    equipment_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 100,
) -> Page[FindingOut]:
    """Return the newest findings, of all equipment or of one device."""
    with ctx.state.reading() as tx:
        if equipment_id is not None:
            visible_equipment(tx, principal, equipment_id)
        found = tx.incidents.findings(
            equipment_id=equipment_id, firm_id=firm_scope(principal), limit=limit
        )
    return Page(items=[FindingOut.of(finding) for finding in found])
