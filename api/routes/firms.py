"""Maintenance firms and where their notifications go."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from api.access import Require, firm_scope
from api.context import Ctx
from api.permissions import Action
from api.schemas import FirmIn, FirmOut, Page
from domain.accounts import Principal
from domain.equipment import ID_PATTERN
from domain.errors import NotFoundError
from domain.ports import PAGE_LIMIT

router = APIRouter(prefix="/api/v1", tags=["firms"])

_Reader = Annotated[Principal, Depends(Require(Action.READ_FIRMS))]


@router.get("/firms", summary="List firms")
def list_firms(ctx: Ctx, principal: _Reader) -> Page[FirmOut]:
    """Firms ordered by id, the first 1,000; a firm sees itself."""
    own = firm_scope(principal)
    with ctx.state.reading() as tx:
        found = [firm for firm in tx.registry.firms() if own is None or firm.id == own]
    return Page(items=[FirmOut.of(firm, principal) for firm in found[:PAGE_LIMIT]])


@router.get("/firms/{firm_id}", summary="One firm", responses={404: {}})
def get_firm(firm_id: str, ctx: Ctx, principal: _Reader) -> FirmOut:
    """Return a firm, without its webhook secret."""
    own = firm_scope(principal)
    with ctx.state.reading() as tx:
        firm = tx.registry.firm(firm_id) if own is None or own == firm_id else None
    if firm is None:
        raise NotFoundError(f"There is no firm {firm_id}.")
    return FirmOut.of(firm, principal)


@router.put("/firms/{firm_id}", summary="Store a firm")
def put_firm(
    firm_id: Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")],
    body: FirmIn,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Require(Action.WRITE_FIRMS))],
) -> FirmOut:
    """Insert or replace a firm; its webhook secret is written and never read."""
    with ctx.state.writing() as tx:
        firm = body.firm(firm_id, tx.registry.firm(firm_id))
        tx.registry.put_firm(firm)
    return FirmOut.of(firm, principal)
