"""Candidates, their episodes and their audit trail in the state store."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from domain.errors import ConflictError
from domain.ports import PAGE_LIMIT, EpisodeQuery
from domain.shadow import (
    EPISODES_KEPT,
    Act,
    Candidate,
    CandidateState,
    Episode,
    EpisodeOutcome,
    Totals,
)
from storage.state.rows import columns_of, page
from storage.state.tables import candidate_acts as acts
from storage.state.tables import candidate_episodes as episodes
from storage.state.tables import candidates

_EPISODE = [column for column in episodes.c if column.name != "number"]
_IDENTITY = ("equipment_id", "kind", "position")


class SqlShadow:
    """`domain.ports.Shadow` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, candidate: Candidate) -> None:
        """Keep a new candidate; a known name is a `ConflictError`."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(candidates.insert(), columns_of(candidates, candidate))
        except IntegrityError as error:
            raise ConflictError(f"There is a candidate {candidate.name} already.") from error

    def candidate(self, name: str) -> Candidate | None:
        """Candidate by name."""
        statement = select(candidates).where(candidates.c.name == name)
        row = self._connection.execute(statement).mappings().one_or_none()
        return None if row is None else Candidate(**row)

    def candidates(self) -> Sequence[Candidate]:
        """All candidates, newest first."""
        newest_first = candidates.c.started_at_ns.desc(), candidates.c.name
        statement = select(candidates).order_by(*newest_first).limit(PAGE_LIMIT)
        return [Candidate(**row) for row in self._connection.execute(statement).mappings()]

    def set_state(self, name: str, state: CandidateState) -> None:
        """Change where a candidate stands."""
        self._update(name, state=state)

    def put_totals(self, name: str, totals: Totals) -> None:
        """Replace a candidate's sums."""
        self._update(name, totals=totals)

    def put_episodes(self, name: str, episodes_: Sequence[Episode]) -> None:
        """Insert or replace episodes, and delete the oldest decided ones beyond `EPISODES_KEPT`."""
        for episode in episodes_:
            row = columns_of(episodes, episode)
            same = [episodes.c.candidate == name, *(episodes.c[k] == row[k] for k in _IDENTITY)]
            changed = update(episodes).where(*same).values(row)
            if self._connection.execute(changed).rowcount == 0:
                self._connection.execute(episodes.insert(), row)
        if episodes_:
            self._prune(name)

    def _prune(self, name: str) -> None:
        own = episodes.c.candidate == name
        count = select(func.count()).select_from(episodes).where(own)
        surplus = self._connection.execute(count).scalar_one() - EPISODES_KEPT
        if surplus <= 0:
            return
        oldest = (
            select(episodes.c.number)
            .where(own, episodes.c.outcome != EpisodeOutcome.UNDECIDED)
            .order_by(episodes.c.detected_at_ns, episodes.c.number)
            .limit(surplus)
        )
        gone = self._connection.execute(delete(episodes).where(episodes.c.number.in_(oldest)))
        self._update(name, pruned=candidates.c.pruned + gone.rowcount)

    def episodes(self, query: EpisodeQuery) -> Sequence[Episode]:
        """Episodes that match, newest detection first."""
        statement = select(*_EPISODE).where(episodes.c.candidate == query.candidate)
        if query.outcome is not None:
            statement = statement.where(episodes.c.outcome == query.outcome)
        newest_first = episodes.c.detected_at_ns.desc(), episodes.c.number.desc()
        paged = statement.order_by(*newest_first).limit(page(query.limit)).offset(query.offset)
        return [Episode(**row) for row in self._connection.execute(paged).mappings()]

    def drop(self, name: str) -> None:
        """Delete a candidate with its episodes; the audit trail stays."""
        self._connection.execute(delete(episodes).where(episodes.c.candidate == name))
        self._connection.execute(delete(candidates).where(candidates.c.name == name))

    def add_act(self, act: Act) -> Act:
        """Append to the audit trail; return the act with its number."""
        row = {name: value for name, value in columns_of(acts, act).items() if name != "number"}
        statement = acts.insert().values(row).returning(acts.c.number)
        return replace(act, number=self._connection.execute(statement).scalar_one())

    def acts(
        self, *, candidate: str | None = None, before: int | None = None, limit: int = 100
    ) -> Sequence[Act]:
        """Acts, of one candidate or of all, newest first, with numbers below ``before``."""
        statement = select(acts).order_by(acts.c.number.desc()).limit(page(limit))
        if candidate is not None:
            statement = statement.where(acts.c.candidate == candidate)
        if before is not None:
            statement = statement.where(acts.c.number < before)
        return [Act(**row) for row in self._connection.execute(statement).mappings()]

    def acts_after(self, number: int, limit: int = PAGE_LIMIT) -> Sequence[Act]:
        """Acts after a number, oldest first."""
        statement = select(acts).where(acts.c.number > number).order_by(acts.c.number)
        rows = self._connection.execute(statement.limit(page(limit))).mappings()
        return [Act(**row) for row in rows]

    def take_effect(self, numbers: Sequence[int], position: int) -> None:
        """Note the journal position after which acts took effect."""
        statement = update(acts).where(acts.c.number.in_(numbers[:PAGE_LIMIT]))
        self._connection.execute(statement.values(position=position))

    def _update(self, name: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
        statement = update(candidates).where(candidates.c.name == name)
        self._connection.execute(statement.values(**values))
