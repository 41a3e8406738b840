"""What devices sent that was not used."""

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from api.access import Require
from api.context import Context, Ctx
from api.permissions import Action
from api.reexamination import Reexamined, reexamine
from api.routes.paging import Limit
from api.schemas import FindingOut, Note, Page
from api.telemetry_schemas import (
    OriginalOut,
    QuarantineDetailOut,
    QuarantineDropOut,
    QuarantineOut,
    ReexaminedOut,
    VerdictOut,
)
from domain.accounts import Principal
from domain.errors import NotFoundError
from domain.instants import to_iso
from domain.refusals import Refusal, RefusalReason

PREVIEW_LENGTH = 4_096
"""Characters of an original that are shown as text."""

ROW_ID_MAX = 2**63 - 1

_EntryId = Annotated[int, Path(ge=1, le=ROW_ID_MAX)]

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


@router.get("/quarantine-drops", summary="List dropped groups, newest first")
def list_drops(ctx: Ctx, limit: Limit = 100) -> Page[QuarantineDropOut]:
    """Groups that people dropped: how much, who, when and why."""
    with ctx.state.reading() as tx:
        found = tx.quarantine.drops(limit)
    return Page(items=[QuarantineDropOut.of(dropped) for dropped in found])


@router.get("/quarantine/{entry_id}", summary="One group of refusals", responses={404: {}})
def get_quarantine(entry_id: _EntryId, ctx: Ctx) -> QuarantineDetailOut:
    """Return an entry with the newest original messages as they came."""
    return quarantine_detail(ctx, entry_id)


@router.get(
    "/quarantine/{entry_id}/replay",
    summary="What would become of a group's originals now",
    responses={404: {}},
)
def replay_quarantine(entry_id: _EntryId, ctx: Ctx) -> ReexaminedOut:
    """Judge the kept originals anew by the present decoder and registry; nothing is stored.

    The command line judges all of the group's messages that the journal still holds.
    """
    result = reexamined(ctx, entry_id)
    return ReexaminedOut(
        outcomes=result.counts(),
        refused_because=result.still_refused(),
        messages=[VerdictOut.of(verdict) for verdict in result.verdicts],
        findings=[FindingOut.of(finding) for finding in result.findings],
    )


@router.delete("/quarantine/{entry_id}", summary="Drop a group", responses={404: {}})
def drop_quarantine(
    entry_id: _EntryId,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Require(Action.DROP_QUARANTINE))],
    note: Annotated[Note, Query(description="Why; kept with the counts.")] = "",
) -> QuarantineDropOut:
    """Delete a group with its originals for good; who, when, how many and why are kept."""
    with ctx.state.writing() as tx:
        dropped = tx.quarantine.drop(
            entry_id, dropped_by=principal.name, dropped_at_ns=ctx.clock(), note=note
        )
    return QuarantineDropOut.of(dropped)


def reexamined(ctx: Context, entry_id: int) -> Reexamined:
    """Kept originals of an entry, judged anew.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    with ctx.state.reading() as tx:
        entry = tx.quarantine.get(entry_id)
        originals = tx.quarantine.originals(entry_id)
        fleet = tx.registry.fleet()
    if entry is None:
        raise NotFoundError(f"There is no quarantine entry {entry_id}.")
    return reexamine(originals, fleet)


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
