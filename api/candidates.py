"""What people do with candidates; each act changes the state and writes the audit trail.

The pipeline lets acts take effect at its next look, within a second or two.
"""

import math
import re
from collections.abc import Sequence

from detectors import catalog
from domain.equipment import ID_PATTERN
from domain.errors import ConflictError, NotFoundError, UsageError
from domain.ports import StateTransaction
from domain.shadow import (
    CANDIDATES_MAX,
    RUNNING_MAX,
    Act,
    ActKind,
    Candidate,
    CandidateState,
    Parameters,
    state_after,
)

_OVER = frozenset({CandidateState.STOPPED, CandidateState.FAILED, CandidateState.REVERTED})


def start(
    tx: StateTransaction, name: str, parameters: Parameters, *, actor: str, reason: str, now_ns: int
) -> Candidate:
    """Let a candidate run beside live detection.

    Parameters
    ----------
    parameters
        What differs from live detection, by settings table and parameter. An empty table compares
        a detector as it is: one that is held back in the configuration runs in no other way.

    Raises
    ------
    UsageError
        If name, parameters or reason cannot be used.
    ConflictError
        If the name is taken, or `RUNNING_MAX` candidates run, or `CANDIDATES_MAX` are kept and
        none of them is over.
    """
    _check(name, parameters, reason)
    kept = tx.shadow.candidates()
    running = [one for one in kept if one.state is CandidateState.RUNNING]
    if len(running) >= RUNNING_MAX:
        names = ", ".join(one.name for one in running)
        raise ConflictError(f"{RUNNING_MAX} candidates run already: {names}. Stop one first.")
    _make_room(tx, kept)
    candidate = Candidate(
        name=name,
        parameters=parameters,
        state=CandidateState.RUNNING,
        started_by=actor,
        started_at_ns=now_ns,
        reason=reason,
    )
    tx.shadow.add(candidate)
    _audit(tx, candidate, ActKind.STARTED, actor, reason, now_ns)
    return candidate


def stop(tx: StateTransaction, name: str, *, actor: str, reason: str, now_ns: int) -> Candidate:
    """Let a candidate run no longer; what it found stays.

    Raises
    ------
    NotFoundError, ConflictError
        If there is none, or it does not run.
    """
    return _act(tx, name, ActKind.STOPPED, actor, reason, now_ns)


def promote(tx: StateTransaction, name: str, *, actor: str, reason: str, now_ns: int) -> Candidate:
    """Make a candidate's parameters live; they win over the configuration and older promotions.

    Raises
    ------
    NotFoundError, ConflictError, UsageError
        If there is none, if it has not run yet or failed, or without a reason.
    """
    _need(reason)
    if not found(tx, name).totals.tallies:
        raise ConflictError(f"The candidate {name} has not run yet: nothing is known of it.")
    return _act(tx, name, ActKind.PROMOTED, actor, reason, now_ns)


def revert(tx: StateTransaction, name: str, *, actor: str, reason: str, now_ns: int) -> Candidate:
    """Take a promotion back; what is configured and otherwise promoted is live again.

    Raises
    ------
    NotFoundError, ConflictError, UsageError
        If there is none, if it is not promoted, or without a reason.
    """
    _need(reason)
    return _act(tx, name, ActKind.REVERTED, actor, reason, now_ns)


def found(tx: StateTransaction, name: str) -> Candidate:
    """Candidate by name.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    candidate = tx.shadow.candidate(name)
    if candidate is None:
        raise NotFoundError(f"There is no candidate {name}.")
    return candidate


def promoted(tx: StateTransaction) -> list[Candidate]:
    """Candidates whose parameters are live, in the order in which they win."""
    kept = [one for one in tx.shadow.candidates() if one.state is CandidateState.PROMOTED]
    return sorted(kept, key=lambda one: _promoted_at(tx, one.name))


def _promoted_at(tx: StateTransaction, name: str) -> int:
    acts = tx.shadow.acts(candidate=name)
    return next((act.number for act in acts if act.kind is ActKind.PROMOTED), 0)


def _act(
    tx: StateTransaction, name: str, kind: ActKind, actor: str, reason: str, now_ns: int
) -> Candidate:
    candidate = found(tx, name)
    tx.shadow.set_state(name, state_after(candidate.state, kind))
    _audit(tx, candidate, kind, actor, reason, now_ns)
    return found(tx, name)


def _audit(
    tx: StateTransaction, candidate: Candidate, kind: ActKind, actor: str, reason: str, now_ns: int
) -> None:
    tx.shadow.add_act(
        Act(
            candidate=candidate.name,
            kind=kind,
            actor=actor,
            at_ns=now_ns,
            reason=reason,
            parameters=candidate.parameters,
        )
    )


def _check(name: str, parameters: Parameters, reason: str) -> None:
    if not re.fullmatch(ID_PATTERN, name):
        raise UsageError(f"{name!r} is no name of a candidate: 1-64 of A-Z a-z 0-9 - _")
    if not parameters:
        raise UsageError("a candidate names at least one detector")
    catalog.check(parameters)
    for table, values in parameters.items():
        for parameter, value in values.items():
            if not math.isfinite(value):
                raise UsageError(f"detectors.{table}.{parameter}: {value} is no number")
    _need(reason)


def _need(reason: str) -> None:
    if not reason.strip():
        raise UsageError("a reason is needed: it is kept in the audit trail")


def _make_room(tx: StateTransaction, kept: Sequence[Candidate]) -> None:
    """Drop the oldest candidate that is over, when as many are kept as may be."""
    if len(kept) < CANDIDATES_MAX:
        return
    over = [one for one in kept if one.state in _OVER]
    if not over:
        raise ConflictError(f"{CANDIDATES_MAX} candidates are kept and none is over.")
    tx.shadow.drop(over[-1].name)
