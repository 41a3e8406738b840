"""Ports that more than one package uses. Adapters live in `storage` and `dispatch.channels`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from domain.accounts import ApiKey, User
from domain.equipment import Equipment, Firm, Fleet, Kind
from domain.findings import Finding
from domain.incidents import Incident, IncidentEvent
from domain.ledger import LedgerChanges, LedgerRow, LedgerTotal
from domain.notifications import Delivery, Notification
from domain.readings import Latest, ReadingBatch, Sample
from domain.refusals import Refusal, RefusalReason
from domain.shadow import Act, Candidate, CandidateState, Episode, EpisodeOutcome, Totals

PAGE_LIMIT = 1_000
"""Most rows that one page of any listing holds."""


class TelemetryStore(Protocol):
    """Where readings are kept. One process owns it; `append` is effectively once."""

    def append(self, batches: Sequence[ReadingBatch], position: int) -> None:
        """Store all rows but alive rows, and record that frames up to ``position`` are stored.

        Rows at or below the recorded position are skipped, so a replay changes nothing.
        """

    def position(self) -> int:
        """Journal position up to which everything is stored; 0 for an empty store."""

    def count(self) -> int:
        """Rows stored and not yet pruned, over all kinds."""

    def latest(self, kind: Kind, equipment_id: str) -> Mapping[str, Latest]:
        """Last reported value of every channel of one device, by newest event time."""

    def history(
        self, kind: Kind, equipment_id: str, *, start_ns: int, end_ns: int, limit: int = PAGE_LIMIT
    ) -> Sequence[Sample]:
        """Rows of one device with ``start_ns <= event_time_ns < end_ns``, oldest first.

        Rows that share an event time come in the order of their ordinals. When more than ``limit``
        rows match, the oldest ``limit`` are returned.
        """

    def prune(self, before_ns: int) -> int:
        """Delete rows received before an instant; return how many, or -1 when unknown."""

    def close(self) -> None:
        """Release files and connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentQuery:
    """Filter of a registry listing; empty = all.

    Parameters
    ----------
    text
        Matches id, any identifier exactly, or part of name or address.
    """

    kind: Kind | None = None
    firm_id: str | None = None
    text: str = ""
    limit: int = 100
    offset: int = 0


class Registry(Protocol):
    """Equipment and firms."""

    def put(self, rows: Sequence[Equipment]) -> None:
        """Insert or replace equipment by id; a changed kind of a known id is a `ConflictError`."""

    def fleet(self) -> Fleet:
        """All equipment in slot order."""

    def version(self) -> int:
        """Number that rises with every change of equipment."""

    def get(self, equipment_id: str) -> Equipment | None:
        """Equipment by id."""

    def find(self, query: EquipmentQuery) -> Sequence[Equipment]:
        """Equipment that matches, ordered by id."""

    def put_firm(self, firm: Firm) -> None:
        """Insert or replace a firm by id."""

    def firm(self, firm_id: str) -> Firm | None:
        """Firm by id."""

    def firms(self) -> Sequence[Firm]:
        """All firms, ordered by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentQuery:
    """Filter of an incident listing, newest first; ``None`` and empty = all.

    Parameters
    ----------
    open_only
        Only incidents whose state is not in `ENDED_STATES`.
    before_id
        Continue after this incident of the previous page.
    """

    open_only: bool = False
    equipment_id: str | None = None
    firm_id: str | None = None
    case: str | None = None
    limit: int = 100
    before_id: str | None = None


class Incidents(Protocol):
    """Incidents, their history, and the findings that caused them."""

    def open_for(self, equipment_id: str, case: str) -> Incident | None:
        """The one open incident of an equipment and case."""

    def last_for(self, equipment_id: str, case: str) -> Incident | None:
        """The newest incident of an equipment and case, open or ended."""

    def get(self, incident_id: str) -> Incident | None:
        """Incident by id."""

    def find(self, query: IncidentQuery) -> Sequence[Incident]:
        """Incidents that match, newest detection first."""

    def save(self, incident: Incident) -> None:
        """Insert or replace by id; a second open one of a case is a `ConflictError`."""

    def add_event(self, event: IncidentEvent) -> IncidentEvent:
        """Append to the history; return the event with its number."""

    def events(self, incident_id: str) -> Sequence[IncidentEvent]:
        """History of one incident, oldest first."""

    def events_after(self, number: int, limit: int = PAGE_LIMIT) -> Sequence[IncidentEvent]:
        """History of all incidents after a number, oldest first: the event stream."""

    def add_finding(self, finding: Finding, incident_id: str | None, disposition: str) -> None:
        """Keep a finding with what became of it (a stable word); a known id changes nothing."""

    def finding(self, finding_id: str) -> Finding | None:
        """Finding by id."""

    def findings(
        self, *, equipment_id: str | None = None, firm_id: str | None = None, limit: int = 100
    ) -> Sequence[Finding]:
        """Findings, newest detection first."""

    def count_findings(self) -> int:
        """Findings kept."""


class Outbox(Protocol):
    """Notifications to send, and what became of each attempt."""

    def add(self, notification: Notification) -> None:
        """Queue a notification; a known id changes nothing."""

    def due(self, now_ns: int, limit: int) -> Sequence[Notification]:
        """Undecided notifications whose next attempt is due, oldest due first."""

    def record(self, delivery: Delivery, next_due_at_ns: int | None) -> None:
        """Keep an attempt; without a next one the notification is decided."""

    def for_incident(self, incident_id: str) -> Sequence[tuple[Notification, Sequence[Delivery]]]:
        """Notifications of an incident with their attempts, oldest first."""

    def pending(self) -> int:
        """Notifications not decided yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """Refusals of one reason and sender, with the newest one's bytes.

    Parameters
    ----------
    count
        How many refusals it stands for.
    """

    id: int
    reason: RefusalReason
    sender: str
    topic: str
    detail: str
    count: int
    first_at_ns: int
    last_at_ns: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineDrop:
    """An entry that somebody dropped: what is left of it.

    Parameters
    ----------
    count
        Refusals that it stood for.
    note
        Why, in the person's words.
    """

    reason: RefusalReason
    sender: str
    count: int
    first_at_ns: int
    last_at_ns: int
    dropped_by: str
    dropped_at_ns: int
    note: str


class Quarantine(Protocol):
    """What was refused, grouped by reason and sender."""

    def add(self, refusals: Sequence[Refusal]) -> None:
        """Count refusals and keep the original bytes of each, up to the adapter's stated limit."""

    def find(
        self, *, sender: str | None = None, reason: RefusalReason | None = None, limit: int = 100
    ) -> Sequence[QuarantineEntry]:
        """Entries, newest first."""

    def get(self, entry_id: int) -> QuarantineEntry | None:
        """Entry by id."""

    def originals(self, entry_id: int, limit: int = 100) -> Sequence[Refusal]:
        """Refusals kept for an entry, newest first, with their original bytes."""

    def identities(self, entry_id: int) -> Sequence[tuple[int, int, int]]:
        """Position, index and item of an entry's refusals, oldest first, as far as known."""

    def drop(
        self, entry_id: int, *, dropped_by: str, dropped_at_ns: int, note: str
    ) -> QuarantineDrop:
        """Delete an entry with its originals, and keep who did it; `NotFoundError` without one."""

    def drops(self, limit: int = 100) -> Sequence[QuarantineDrop]:
        """Entries that were dropped, newest first."""

    def count(self) -> int:
        """Refusals counted since the store was made, dropped ones included."""


class Accounts(Protocol):
    """API keys and users."""

    def put_key(self, key: ApiKey) -> None:
        """Insert or replace a key by name."""

    def key_by_digest(self, digest: str) -> ApiKey | None:
        """Key by the digest of its secret."""

    def keys(self) -> Sequence[ApiKey]:
        """All keys, ordered by name."""

    def drop_key(self, name: str) -> bool:
        """Delete a key; say whether it existed."""

    def put_user(self, user: User) -> None:
        """Insert or replace a user by name."""

    def user(self, name: str) -> User | None:
        """User by name."""


class Offsets(Protocol):
    """How far each consumer of the journal has come, and its counters."""

    def get(self, consumer: str) -> int:
        """Journal position of a consumer; 0 when it never recorded one."""

    def put(self, consumer: str, position: int) -> None:
        """Record a consumer's position."""

    def counters(self, consumer: str) -> Mapping[str, int]:
        """Counters recorded with the position, empty when none."""

    def put_counters(self, consumer: str, counters: Mapping[str, int]) -> None:
        """Record counters beside the position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerQuery:
    """Hours and devices of a ledger listing.

    Parameters
    ----------
    start_ns, end_ns
        Hours that begin in ``start_ns <= t < end_ns``.
    firm_id
        Only equipment that this firm maintains; ``None`` = all.
    """

    start_ns: int
    end_ns: int
    firm_id: str | None = None
    limit: int = 100
    offset: int = 0


class Ledger(Protocol):
    """What was received, missing and refused, per device and hour."""

    def put(self, changes: LedgerChanges) -> None:
        """Insert or replace rows, and what is missing of hours that are closed."""

    def hours(
        self, equipment_id: str, *, start_ns: int, end_ns: int, limit: int = PAGE_LIMIT
    ) -> Sequence[LedgerRow]:
        """Rows of one device with ``start_ns <= hour_start_ns < end_ns``, oldest first."""

    def worst(self, query: LedgerQuery) -> Sequence[LedgerTotal]:
        """Devices with a row, worst first: most missing, most refused, largest lag, id."""

    def prune(self, before_ns: int) -> int:
        """Delete rows of hours that began before an instant, oldest first; return how many.

        At most as many as the adapter's stated limit: what is left goes the next time.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeQuery:
    """Episodes of one candidate, newest first; ``None`` = any outcome."""

    candidate: str
    outcome: EpisodeOutcome | None = None
    limit: int = 100
    offset: int = 0


class Shadow(Protocol):
    """Candidates, what they found beside live detection, and what people did with them."""

    def add(self, candidate: Candidate) -> None:
        """Keep a new candidate; a known name is a `ConflictError`."""

    def candidate(self, name: str) -> Candidate | None:
        """Candidate by name."""

    def candidates(self) -> Sequence[Candidate]:
        """All candidates, newest first."""

    def set_state(self, name: str, state: CandidateState) -> None:
        """Change where a candidate stands."""

    def put_totals(self, name: str, totals: Totals) -> None:
        """Replace a candidate's sums."""

    def put_episodes(self, name: str, episodes: Sequence[Episode]) -> None:
        """Insert or replace episodes of a candidate, up to the domain's stated limit.

        The oldest decided ones go first, and are counted as pruned.
        """

    def episodes(self, query: EpisodeQuery) -> Sequence[Episode]:
        """Episodes that match, newest detection first."""

    def drop(self, name: str) -> None:
        """Delete a candidate with its episodes; the audit trail stays."""

    def add_act(self, act: Act) -> Act:
        """Append to the audit trail; return the act with its number."""

    def acts(
        self, *, candidate: str | None = None, before: int | None = None, limit: int = 100
    ) -> Sequence[Act]:
        """Acts, of one candidate or of all, newest first, with numbers below ``before``."""

    def acts_after(self, number: int, limit: int = PAGE_LIMIT) -> Sequence[Act]:
        """Acts after a number, oldest first."""

    def take_effect(self, numbers: Sequence[int], position: int) -> None:
        """Note the journal position after which acts took effect."""


class StateTransaction(Protocol):
    """One transaction over everything but telemetry."""

    @property
    def registry(self) -> Registry:
        """Equipment and firms."""

    @property
    def incidents(self) -> Incidents:
        """Incidents, history, findings."""

    @property
    def outbox(self) -> Outbox:
        """Notifications."""

    @property
    def quarantine(self) -> Quarantine:
        """Refusals."""

    @property
    def accounts(self) -> Accounts:
        """API keys and users."""

    @property
    def offsets(self) -> Offsets:
        """Consumers of the journal."""

    @property
    def ledger(self) -> Ledger:
        """What was received, missing and refused."""

    @property
    def shadow(self) -> Shadow:
        """Candidates beside live detection."""


class StateStore(Protocol):
    """Everything but telemetry, in transactions; many processes may share it."""

    def writing(self) -> AbstractContextManager[StateTransaction]:
        """Begin a transaction that commits at the end of the block, and rolls back on an error."""

    def reading(self) -> AbstractContextManager[StateTransaction]:
        """Begin a transaction over one consistent view that writes nothing."""

    def close(self) -> None:
        """Release connections."""


class Channel(Protocol):
    """A way to reach a receiver. It never raises for what a network or receiver does."""

    @property
    def name(self) -> str:
        """Name under which notifications ask for it."""

    def deliver(self, notification: Notification, firm: Firm, now_ns: int) -> Delivery:
        """Try once, within a bounded time, and say what became of it."""
