"""Candidates that run beside live detection, and the audit trail of what people did with them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from api import candidates
from api.access import Require
from api.context import Ctx
from api.permissions import Action
from api.routes.paging import Limit, next_page
from api.routes.registry import OFFSET_MAX
from api.schemas import Page
from api.shadow_schemas import (
    ActOut,
    CandidateDetailOut,
    CandidateOut,
    EpisodeOut,
    ReasonIn,
    StartIn,
    StopIn,
)
from domain.accounts import Principal
from domain.equipment import ID_PATTERN
from domain.ports import EpisodeQuery
from domain.shadow import EpisodeOutcome

ROW_ID_MAX = 2**63 - 1

router = APIRouter(
    prefix="/api/v1", tags=["shadow"], dependencies=[Depends(Require(Action.READ_SHADOW))]
)

Name = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
_Runner = Annotated[Principal, Depends(Require(Action.RUN_SHADOW))]
_Promoter = Annotated[Principal, Depends(Require(Action.PROMOTE))]


@router.get("/shadow", summary="Candidates, newest first")
def list_candidates(ctx: Ctx) -> Page[CandidateOut]:
    """All candidates that are kept, with what they would have added and missed."""
    with ctx.state.reading() as tx:
        found = tx.shadow.candidates()
    return Page(items=[CandidateOut.of(candidate) for candidate in found])


@router.post("/shadow", status_code=201, summary="Start a candidate", responses={409: {}})
def start_candidate(body: StartIn, ctx: Ctx, principal: _Runner) -> CandidateOut:
    """Let a detector or threshold run on live data without raising incidents."""
    with ctx.state.writing() as tx:
        candidate = candidates.start(
            tx,
            body.name,
            body.parameters,
            actor=principal.name,
            reason=body.reason,
            now_ns=ctx.clock(),
        )
    return CandidateOut.of(candidate)


@router.get("/shadow/{name}", summary="One candidate", responses={404: {}})
def get_candidate(name: Name, ctx: Ctx) -> CandidateDetailOut:
    """Return a candidate with its newest acts."""
    with ctx.state.reading() as tx:
        candidate = candidates.found(tx, name)
        acts = tx.shadow.acts(candidate=name)
    return CandidateDetailOut.detailed(candidate, acts)


@router.get("/shadow/{name}/episodes", summary="What it found", responses={404: {}})
def list_episodes(
    request: Request,
    name: Name,
    ctx: Ctx,
    outcome: EpisodeOutcome | None = None,
    limit: Limit = 100,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
) -> Page[EpisodeOut]:
    """Episodes of a candidate and of live detection beside it, newest first."""
    query = EpisodeQuery(candidate=name, outcome=outcome, limit=limit, offset=offset)
    with ctx.state.reading() as tx:
        candidates.found(tx, name)
        found = tx.shadow.episodes(query)
    more = next_page(request, offset=offset + limit) if len(found) == limit else None
    return Page(items=[EpisodeOut.of(episode) for episode in found], next=more)


@router.post("/shadow/{name}/stop", summary="Stop it", responses={404: {}, 409: {}})
def stop_candidate(name: Name, body: StopIn, ctx: Ctx, principal: _Runner) -> CandidateOut:
    """Let a candidate run no longer; what it found stays."""
    with ctx.state.writing() as tx:
        candidate = candidates.stop(
            tx, name, actor=principal.name, reason=body.reason, now_ns=ctx.clock()
        )
    return CandidateOut.of(candidate)


@router.post("/shadow/{name}/promote", summary="Make it live", responses={404: {}, 409: {}})
def promote_candidate(name: Name, body: ReasonIn, ctx: Ctx, principal: _Promoter) -> CandidateOut:
    """Make its parameters live, within seconds and without a restart; they win over the file."""
    with ctx.state.writing() as tx:
        candidate = candidates.promote(
            tx, name, actor=principal.name, reason=body.reason, now_ns=ctx.clock()
        )
    return CandidateOut.of(candidate)


@router.post("/shadow/{name}/revert", summary="Take it back", responses={404: {}, 409: {}})
def revert_candidate(name: Name, body: ReasonIn, ctx: Ctx, principal: _Promoter) -> CandidateOut:
    """Take a promotion back; what is configured and otherwise promoted is live again."""
    with ctx.state.writing() as tx:
        candidate = candidates.revert(
            tx, name, actor=principal.name, reason=body.reason, now_ns=ctx.clock()
        )
    return CandidateOut.of(candidate)


@router.get("/shadow-acts", summary="Audit trail, newest first")
def list_acts(
    request: Request,
    ctx: Ctx,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=ROW_ID_MAX)] = None,
) -> Page[ActOut]:
    """Every start, stop, failure, promotion and reversal: who, when, why, with what parameters."""
    with ctx.state.reading() as tx:
        found = tx.shadow.acts(before=before, limit=limit)
    more = next_page(request, before=found[-1].number) if len(found) == limit else None
    return Page(items=[ActOut.of(act) for act in found], next=more)
