"""What devices sent that was not used."""

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from api.access import Require
from api.context import Context, Ctx
from api.permissions import Action
from api.routes.paging import Limit
from api.schemas import Page
from api.telemetry_schemas import OriginalOut, QuarantineDetailOut, QuarantineOut
from domain.errors import NotFoundError
from domain.instants import to_iso
from domain.refusals import Refusal, RefusalReason

PREVIEW_LENGTH = 4_096
"""Characters of an original that are shown as text."""

ROW_ID_MAX = 2**63 - 1

router = APIRouter(
    prefix="/api/v1",
    tags=["quarantine"],
    dependencies=[Depends(Require(Action.READ_QUARANTINE))],
)


@router.get("/quarantine", summary="List refusals, newest first")
def list_quarantine(
    ctx: Ctx,
    sender: Annotated[str | None, Query(max_length=64)] = None,
    reason: RefusalReason | None = None,
    limit: Limit = 100,
) -> Page[QuarantineOut]:
    """Refusals grouped by reason and sender, the newest ones."""
    with ctx.state.reading() as tx:
        found = tx.quarantine.find(sender=sender, reason=reason, limit=limit)
    return Page(items=[QuarantineOut.of(entry) for entry in found])


@router.get("/quarantine/{entry_id}", summary="One group of refusals", responses={404: {}})
def get_quarantine(
    entry_id: Annotated[int, Path(ge=1, le=ROW_ID_MAX)], ctx: Ctx
) -> QuarantineDetailOut:
    """Return an entry with the newest original messages as they came."""
    return quarantine_detail(ctx, entry_id)


def quarantine_detail(ctx: Context, entry_id: int) -> QuarantineDetailOut:
    """Entry with its originals.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    with ctx.state.reading() as tx:
        entry = tx.quarantine.get(entry_id)
        originals = tx.quarantine.originals(entry_id)
    if entry is None:
        raise NotFoundError(f"There is no quarantine entry {entry_id}.")
    return QuarantineDetailOut(
        **QuarantineOut.of(entry).model_dump(), originals=[_original(one) for one in originals]
    )


def _original(refusal: Refusal) -> OriginalOut:
    text = refusal.payload[: PREVIEW_LENGTH * 4].decode(errors="replace")[:PREVIEW_LENGTH]
    return OriginalOut(
        topic=refusal.topic,
        received_at=to_iso(refusal.received_at_ns),
        detail=refusal.detail,
        payload_base64=base64.b64encode(refusal.payload).decode(),
        payload_bytes=len(refusal.payload),
        preview="".join(
            c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text
        ),
    )
