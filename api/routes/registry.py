"""Equipment, and the registry as CSV."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.access import Require, firm_scope, visible_equipment
from api.context import Context, Ctx
from api.permissions import Action
from api.routes.paging import Limit, next_page
from api.schemas import EquipmentOut, ImportOut, Page, RefusedRowOut, RowWarningOut
from domain.accounts import Principal
from domain.equipment import Kind
from domain.errors import UsageError
from domain.ports import PAGE_LIMIT, EquipmentQuery
from domain.registry import RegistryFile, format_registry, parse_registry

IMPORT_PATH = "/api/v1/registry/import"
OFFSET_MAX = 10_000_000
CSV_TYPE = "text/csv; charset=utf-8"

router = APIRouter(prefix="/api/v1", tags=["registry"])

_Reader = Annotated[Principal, Depends(Require(Action.READ_EQUIPMENT))]
_CSV_BODY = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
}
_CSV_ANSWER = {"content": {"text/csv": {"schema": {"type": "string"}}}}


@router.get("/equipment", summary="List equipment")
def list_equipment(
    request: Request,
    ctx: Ctx,
    principal: _Reader,
    kind: Kind | None = None,
    text: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 100,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
) -> Page[EquipmentOut]:
    """Equipment by kind and by id, official number, or part of name or address."""
    query = EquipmentQuery(
        kind=kind, firm_id=firm_scope(principal), text=text.strip(), limit=limit, offset=offset
    )
    with ctx.state.reading() as tx:
        found = tx.registry.find(query)
    more = next_page(request, offset=offset + limit) if len(found) == limit else None
    return Page(items=[EquipmentOut.of(equipment) for equipment in found], next=more)


@router.get("/equipment/{equipment_id}", summary="One device", responses={404: {}})
def get_equipment(equipment_id: str, ctx: Ctx, principal: _Reader) -> EquipmentOut:
    """Registry row of a device."""
    with ctx.state.reading() as tx:
        return EquipmentOut.of(visible_equipment(tx, principal, equipment_id))


@router.post(
    "/registry/import",
    summary="Import a registry CSV",
    dependencies=[Depends(Require(Action.IMPORT_REGISTRY))],
    openapi_extra=_CSV_BODY,
    responses={409: {}, 413: {}, 422: {}},
)
async def import_registry(request: Request, ctx: Ctx) -> ImportOut:
    """Take over the good rows of a CSV (docs/contract.md) and report every other one."""
    return await run_in_threadpool(_import, ctx, await request.body())


def _import(ctx: Context, body: bytes) -> ImportOut:
    try:
        read = parse_registry(body.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"The file is not UTF-8 at byte {error.start}") from error
    with ctx.state.writing() as tx:
        tx.registry.put(read.rows)
    return _report(read)


def _report(read: RegistryFile) -> ImportOut:
    return ImportOut(
        accepted=len(read.rows),
        refused_count=len(read.refused),
        refused=[
            RefusedRowOut(line=row.line, id=row.id, reasons=list(row.reasons))
            for row in read.refused[:PAGE_LIMIT]
        ],
        warning_count=len(read.warnings),
        warnings=[
            RowWarningOut(line=warning.line, id=warning.id, text=warning.text)
            for warning in read.warnings[:PAGE_LIMIT]
        ],
    )


@router.get(
    "/registry/export",
    summary="Export the registry as CSV",
    dependencies=[Depends(Require(Action.EXPORT_REGISTRY))],
    response_class=Response,
    responses={200: _CSV_ANSWER},
)
def export_registry(ctx: Ctx) -> Response:
    """All equipment, ordered by kind and slot; an import of it changes nothing."""
    with ctx.state.reading() as tx:
        fleet = tx.registry.fleet()
    rows = [equipment for kind in Kind for equipment in fleet.members(kind)]
    headers = {"Content-Disposition": 'attachment; filename="registry.csv"'}
    return Response(format_registry(rows), media_type=CSV_TYPE, headers=headers)
