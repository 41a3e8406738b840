"""First schema: registry, incidents and history, outbox, quarantine, accounts, offsets."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables; the registry begins at version 0."""
    _create_equipment()
    _create_registry()
    _create_incidents()
    _create_history()
    _create_outbox()
    _create_quarantine()
    _create_accounts()
    op.execute("INSERT INTO registry_state (id, version) VALUES (1, 0)")


def _create_equipment() -> None:
    op.create_table(
        "equipment",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("name_zh", TEXT, nullable=False),
        sa.Column("name_en", TEXT, nullable=False),
        sa.Column("area_path", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("latitude", sa.Double()),
        sa.Column("longitude", sa.Double()),
        sa.Column("place_class", TEXT, nullable=False),
        sa.Column("user_unit", TEXT, nullable=False),
        sa.Column("user_contact", TEXT, nullable=False),
        sa.Column("maintenance_firm", TEXT, nullable=False),
        sa.Column("installed_on", sa.Date()),
        sa.Column("inspection_due_on", sa.Date()),
        sa.Column("registered", sa.Boolean()),
        sa.Column("gateway_id", TEXT, nullable=False),
        sa.Column("dialect", TEXT, nullable=False),
        sa.Column("report_interval_s", sa.Double()),
        sa.Column("rated_speed_mps", sa.Double()),
        sa.Column("floors", sa.BigInteger()),
        sa.Column("express_zone_m", sa.Double()),
        sa.Column("rated_pressure_mpa", sa.Double()),
        sa.Column("safety_valve_set_mpa", sa.Double()),
        sa.Column("rated_evaporation_tph", sa.Double()),
        sa.Column("rated_load_t", sa.Double()),
        sa.Column("load_chart", sa.Text(), nullable=False),
        sa.Column("classification", TEXT, nullable=False),
        sa.Column("wind_limit_mps", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_equipment"),
        sa.UniqueConstraint("kind", "slot", name="uq_equipment_kind_slot"),
    )
    op.create_index("ix_equipment_maintenance_firm", "equipment", ["maintenance_firm"])


def _create_registry() -> None:
    op.create_table(
        "identifiers",
        sa.Column("equipment_id", TEXT, nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scheme", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["equipment_id"], ["equipment.id"], name="fk_identifiers_equipment_id"
        ),
        sa.PrimaryKeyConstraint("equipment_id", "ordinal", name="pk_identifiers"),
    )
    op.create_index("ix_identifiers_value", "identifiers", ["value"])
    op.create_table(
        "firms",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name_zh", TEXT, nullable=False),
        sa.Column("name_en", TEXT, nullable=False),
        sa.Column("phone", TEXT, nullable=False),
        sa.Column("webhook_url", TEXT, nullable=False),
        sa.Column("webhook_secret", TEXT, nullable=False),
        sa.Column("mqtt_notify", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_firms"),
    )
    op.create_table(
        "registry_state",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registry_state"),
    )


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("case", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("equipment_id", TEXT, nullable=False),
        sa.Column("firm_id", TEXT, nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("opened_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("detected_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
        sa.Column("finding_ids", sa.Text(), nullable=False),
        sa.Column("condition_ended_at_ns", sa.BigInteger()),
        sa.Column("acknowledged_at_ns", sa.BigInteger()),
        sa.Column("acknowledged_by", TEXT),
        sa.Column("closed_at_ns", sa.BigInteger()),
        sa.Column("close_reason", TEXT),
        sa.PrimaryKeyConstraint("number", name="pk_incidents"),
        sa.UniqueConstraint("id", name="uq_incidents_id"),
    )
    op.create_index("ix_incidents_detected_at_ns", "incidents", ["detected_at_ns"])
    op.create_index(
        "ix_incidents_equipment_id_case_detected_at_ns",
        "incidents",
        ["equipment_id", "case", "detected_at_ns"],
    )
    op.create_index(
        "uq_incidents_open_case",
        "incidents",
        ["equipment_id", "case"],
        unique=True,
        sqlite_where=sa.text("state NOT IN ('closed', 'resolved')"),
        postgresql_where=sa.text("state NOT IN ('closed', 'resolved')"),
    )


def _create_history() -> None:
    op.create_table(
        "incident_events",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_incident_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_events_incident_id", "incident_events", ["incident_id"])
    op.create_table(
        "findings",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("detector", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("equipment_id", TEXT, nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("onset_ns", sa.BigInteger(), nullable=False),
        sa.Column("detected_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("incident_id", TEXT),
        sa.Column("disposition", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_findings"),
        sa.UniqueConstraint("id", name="uq_findings_id"),
    )
    op.create_index("ix_findings_detected_at_ns", "findings", ["detected_at_ns"])
    op.create_index(
        "ix_findings_equipment_id_detected_at_ns", "findings", ["equipment_id", "detected_at_ns"]
    )


def _create_outbox() -> None:
    op.create_table(
        "notifications",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("incident_id", TEXT, nullable=False),
        sa.Column("occasion", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("receiver", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("due_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("outcome", TEXT),
        sa.PrimaryKeyConstraint("number", name="pk_notifications"),
        sa.UniqueConstraint("id", name="uq_notifications_id"),
    )
    op.create_index("ix_notifications_incident_id", "notifications", ["incident_id"])
    op.create_index(
        "ix_notifications_undecided",
        "notifications",
        ["due_at_ns"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("notification_id", TEXT, nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("retry_after_s", sa.Double()),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name="fk_deliveries_notification_id"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_notification_id", "deliveries", ["notification_id"])


def _create_quarantine() -> None:
    op.create_table(
        "quarantine_entries",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine_entries"),
        sa.UniqueConstraint("reason", "sender", name="uq_quarantine_entries_reason_sender"),
    )
    op.create_index("ix_quarantine_entries_last_at_ns", "quarantine_entries", ["last_at_ns"])
    op.create_table(
        "quarantine_originals",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("entry_id", SERIAL, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["quarantine_entries.id"], name="fk_quarantine_originals_entry_id"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_quarantine_originals"),
    )
    op.create_index("ix_quarantine_originals_entry_id", "quarantine_originals", ["entry_id"])
    op.create_table(
        "quarantine_seen",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_quarantine_seen"),
        sa.UniqueConstraint(
            "position", "index", "item", name="uq_quarantine_seen_position_index_item"
        ),
    )


def _create_accounts() -> None:
    op.create_table(
        "api_keys",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("firm_id", TEXT),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "users",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("password_hash", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("firm_id", TEXT),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "consumers",
        sa.Column("consumer", TEXT, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", name="pk_consumers"),
    )
