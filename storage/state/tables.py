"""Tables of the state store. Columns are named as the fields of the domain's values.

A change here needs a migration beside it; a test compares the two.
"""

from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from domain.accounts import Role
from domain.equipment import IdentifierScheme, Kind
from domain.findings import Evidence, Phase
from domain.incidents import (
    ENDED_STATES,
    CloseReason,
    IncidentAction,
    IncidentKind,
    IncidentState,
    Level,
    LevelReached,
)
from domain.notifications import Outcome
from domain.refusals import RefusalReason
from domain.shadow import ActKind, CandidateState, Claim, EpisodeOutcome, Tally, Totals
from storage.state.columns import CleanText, Packed, Serial, Whole, Word

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str) -> Column[str]:
    return Column(name, CleanText, nullable=False)


def _whole(name: str) -> Column[int]:
    return Column(name, Whole, nullable=False)


def _number(name: str) -> Column[float]:
    return Column(name, Double)


def _unpack_chart(pairs: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(pair) for pair in pairs)


def _pack_values(values: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [asdict(value) for value in values]


def _unpack_levels(values: list[dict[str, Any]]) -> tuple[LevelReached, ...]:
    return tuple(
        LevelReached(level=Level(v["level"]), kind=IncidentKind(v["kind"]), at_ns=v["at_ns"])
        for v in values
    )


def _unpack_evidence(values: list[dict[str, Any]]) -> tuple[Evidence, ...]:
    return tuple(Evidence(**value) for value in values)


def _pack_claim(claim: Claim) -> dict[str, Any]:
    return asdict(claim)


def _unpack_claim(values: dict[str, Any]) -> Claim:
    return Claim(**values | {"level": Level(values["level"])})


def _pack_totals(totals: Totals) -> dict[str, Any]:
    return asdict(totals)


def _unpack_totals(values: dict[str, Any]) -> Totals:
    tallies = (
        Tally(
            **tally
            | {"equipment_kind": Kind(tally["equipment_kind"]), "kind": IncidentKind(tally["kind"])}
        )
        for tally in values["tallies"]
    )
    return Totals(
        device_ns={Kind(kind): ns for kind, ns in values["device_ns"].items()},
        tallies=tuple(tallies),
        cut=values["cut"],
    )


registry_state = Table(
    "registry_state",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=False),
    _whole("version"),
)
"""One row, made by the first migration: the version of the registry."""

equipment = Table(
    "equipment",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("kind", Word(Kind), nullable=False),
    _whole("slot"),
    _text("name_zh"),
    _text("name_en"),
    _text("area_path"),
    _text("address"),
    _number("latitude"),
    _number("longitude"),
    _text("place_class"),
    _text("user_unit"),
    _text("user_contact"),
    _text("maintenance_firm"),
    Column("installed_on", Date),
    Column("inspection_due_on", Date),
    Column("registered", Boolean),
    _text("gateway_id"),
    _text("dialect"),
    _number("report_interval_s"),
    _number("rated_speed_mps"),
    Column("floors", Whole),
    _number("express_zone_m"),
    _number("rated_pressure_mpa"),
    _number("safety_valve_set_mpa"),
    _number("rated_evaporation_tph"),
    _number("rated_load_t"),
    Column("load_chart", Packed(list, _unpack_chart), nullable=False),
    _text("classification"),
    _number("wind_limit_mps"),
    UniqueConstraint("kind", "slot"),
    Index(None, "maintenance_firm"),
)

identifiers = Table(
    "identifiers",
    metadata,
    Column("equipment_id", CleanText, ForeignKey("equipment.id"), primary_key=True),
    Column("ordinal", Whole, primary_key=True, autoincrement=False),
    Column("scheme", Word(IdentifierScheme), nullable=False),
    _text("value"),
    Index(None, "value"),
)

firms = Table(
    "firms",
    metadata,
    Column("id", CleanText, primary_key=True),
    _text("name_zh"),
    _text("name_en"),
    _text("phone"),
    _text("webhook_url"),
    _text("webhook_secret"),
    Column("mqtt_notify", Boolean, nullable=False),
)
"""``webhook_secret`` is kept as given, since signing needs it: protect the database like a key."""

_ended = ", ".join(f"'{state}'" for state in sorted(ENDED_STATES))
OPEN_CONDITION = f"state NOT IN ({_ended})"
"""SQL of "open", as the partial unique index says it."""

incidents = Table(
    "incidents",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("id", CleanText, nullable=False, unique=True),
    _text("case"),
    Column("kind", Word(IncidentKind), nullable=False),
    _text("equipment_id"),
    _text("firm_id"),
    Column("level", Word(Level), nullable=False),
    Column("state", Word(IncidentState), nullable=False),
    _whole("opened_at_ns"),
    _whole("detected_at_ns"),
    Column("late", Boolean, nullable=False),
    Column("levels", Packed(_pack_values, _unpack_levels), nullable=False),
    Column("finding_ids", Packed(list, tuple), nullable=False),
    Column("condition_ended_at_ns", Whole),
    Column("acknowledged_at_ns", Whole),
    Column("acknowledged_by", CleanText),
    Column("closed_at_ns", Whole),
    Column("close_reason", Word(CloseReason)),
    Index(None, "detected_at_ns"),
    Index(None, "equipment_id", "case", "detected_at_ns"),
    Index(
        "uq_incidents_open_case",
        "equipment_id",
        "case",
        unique=True,
        sqlite_where=text(OPEN_CONDITION),
        postgresql_where=text(OPEN_CONDITION),
    ),
)

incident_events = Table(
    "incident_events",
    metadata,
    Column("number", Serial, primary_key=True),
    _text("incident_id"),
    _whole("at_ns"),
    _text("actor"),
    Column("action", Word(IncidentAction), nullable=False),
    Column("state", Word(IncidentState), nullable=False),
    _text("note"),
    Index(None, "incident_id"),
    sqlite_autoincrement=True,
)

findings = Table(
    "findings",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("id", CleanText, nullable=False, unique=True),
    _text("detector"),
    Column("kind", Word(IncidentKind), nullable=False),
    _text("equipment_id"),
    Column("level", Word(Level), nullable=False),
    Column("phase", Word(Phase), nullable=False),
    _whole("onset_ns"),
    _whole("detected_at_ns"),
    _whole("position"),
    Column("late", Boolean, nullable=False),
    Column("evidence", Packed(_pack_values, _unpack_evidence), nullable=False),
    _text("reason"),
    Column("incident_id", CleanText),
    _text("disposition"),
    Index(None, "detected_at_ns"),
    Index(None, "equipment_id", "detected_at_ns"),
)

notifications = Table(
    "notifications",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("id", CleanText, nullable=False, unique=True),
    _text("incident_id"),
    _text("occasion"),
    _text("channel"),
    _text("receiver"),
    _text("body"),
    _whole("created_at_ns"),
    _whole("due_at_ns"),
    _whole("attempts"),
    Column("outcome", Word(Outcome)),
    Index(None, "incident_id"),
    Index(
        "ix_notifications_undecided",
        "due_at_ns",
        sqlite_where=text("outcome IS NULL"),
        postgresql_where=text("outcome IS NULL"),
    ),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("notification_id", CleanText, ForeignKey("notifications.id"), nullable=False),
    _whole("attempt"),
    _whole("at_ns"),
    Column("outcome", Word(Outcome), nullable=False),
    _text("detail"),
    _number("retry_after_s"),
    Index(None, "notification_id"),
)

quarantine_entries = Table(
    "quarantine_entries",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("reason", Word(RefusalReason), nullable=False),
    _text("sender"),
    _text("topic"),
    _text("detail"),
    _whole("count"),
    _whole("first_at_ns"),
    _whole("last_at_ns"),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("reason", "sender"),
    Index(None, "last_at_ns"),
)

quarantine_originals = Table(
    "quarantine_originals",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("entry_id", Serial, ForeignKey("quarantine_entries.id"), nullable=False),
    Column("reason", Word(RefusalReason), nullable=False),
    _whole("position"),
    _whole("index"),
    _whole("item"),
    _text("topic"),
    _text("sender"),
    Column("payload", LargeBinary, nullable=False),
    _whole("received_at_ns"),
    _text("detail"),
    Index(None, "entry_id"),
)

quarantine_seen = Table(
    "quarantine_seen",
    metadata,
    Column("number", Serial, primary_key=True),
    _whole("position"),
    _whole("index"),
    _whole("item"),
    Column("entry_id", Whole),
    UniqueConstraint("position", "index", "item"),
    Index(None, "entry_id"),
)
"""Identities of the newest refusals, so that a replay counts nothing twice, and their entry."""

quarantine_drops = Table(
    "quarantine_drops",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("reason", Word(RefusalReason), nullable=False),
    _text("sender"),
    _whole("count"),
    _whole("first_at_ns"),
    _whole("last_at_ns"),
    _text("dropped_by"),
    _whole("dropped_at_ns"),
    _text("note"),
)
"""Entries that people dropped."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("name", CleanText, primary_key=True),
    Column("digest", CleanText, nullable=False, unique=True),
    Column("role", Word(Role), nullable=False),
    Column("firm_id", CleanText),
    _whole("created_at_ns"),
)

users = Table(
    "users",
    metadata,
    Column("name", CleanText, primary_key=True),
    _text("password_hash"),
    Column("role", Word(Role), nullable=False),
    Column("firm_id", CleanText),
    _whole("created_at_ns"),
)

consumers = Table(
    "consumers",
    metadata,
    Column("consumer", CleanText, primary_key=True),
    _whole("position"),
    Column("counters", Packed(dict, dict), nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("equipment_id", CleanText, primary_key=True),
    Column("hour_start_ns", Whole, primary_key=True, autoincrement=False),
    _whole("received"),
    _whole("alive"),
    _whole("duplicated"),
    _whole("late"),
    _whole("refused"),
    _whole("bad_values"),
    Column("last_seq", Whole),
    _whole("last_received_at_ns"),
    Column("lag_first_ns", Whole),
    Column("lag_last_ns", Whole),
    Column("lag_min_ns", Whole),
    Column("lag_max_ns", Whole),
    Column("clock_wrong", Boolean, nullable=False),
    _text("last_boot"),
    _whole("missing"),
    _text("missing_ranges"),
    Index(None, "hour_start_ns"),
    sqlite_with_rowid=False,
)
"""One row a device and hour. ``missing_ranges``: JSON text of boot, first and last number of each.
Without row numbers SQLite keeps the rows in the index of the key, and not twice."""

candidates = Table(
    "candidates",
    metadata,
    Column("name", CleanText, primary_key=True),
    Column("parameters", Packed(dict, dict), nullable=False),
    Column("state", Word(CandidateState), nullable=False),
    _text("started_by"),
    _whole("started_at_ns"),
    _text("reason"),
    Column("totals", Packed(_pack_totals, _unpack_totals), nullable=False),
    _whole("pruned"),
)

candidate_episodes = Table(
    "candidate_episodes",
    metadata,
    Column("number", Serial, primary_key=True),
    _text("candidate"),
    _text("equipment_id"),
    Column("equipment_kind", Word(Kind), nullable=False),
    Column("kind", Word(IncidentKind), nullable=False),
    _whole("position"),
    _whole("onset_ns"),
    _whole("detected_at_ns"),
    Column("outcome", Word(EpisodeOutcome), nullable=False),
    Column("live", Packed(_pack_claim, _unpack_claim)),
    Column("shadow", Packed(_pack_claim, _unpack_claim)),
    Column("evidence", Packed(_pack_values, _unpack_evidence), nullable=False),
    UniqueConstraint("candidate", "equipment_id", "kind", "position"),
    Index(None, "candidate", "detected_at_ns"),
)

candidate_acts = Table(
    "candidate_acts",
    metadata,
    Column("number", Serial, primary_key=True),
    _text("candidate"),
    Column("kind", Word(ActKind), nullable=False),
    _text("actor"),
    _whole("at_ns"),
    _text("reason"),
    Column("parameters", Packed(dict, dict), nullable=False),
    Column("position", Whole),
    Index(None, "candidate"),
    sqlite_autoincrement=True,
)
"""The audit trail: nothing deletes from it."""
