"""Candidates that run beside live detection, their episodes, and the audit trail of both."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the three tables."""
    op.create_table(
        "candidates",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("started_by", TEXT, nullable=False),
        sa.Column("started_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("totals", sa.Text(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_candidates"),
    )
    _episodes()
    _acts()


def _episodes() -> None:
    identity = ("candidate", "equipment_id", "kind", "position")
    op.create_table(
        "candidate_episodes",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("candidate", TEXT, nullable=False),
        sa.Column("equipment_id", TEXT, nullable=False),
        sa.Column("equipment_kind", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("onset_ns", sa.BigInteger(), nullable=False),
        sa.Column("detected_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("live", sa.Text()),
        sa.Column("shadow", sa.Text()),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_candidate_episodes"),
        sa.UniqueConstraint(
            *identity, name="uq_candidate_episodes_candidate_equipment_id_kind_position"
        ),
    )
    op.create_index(
        "ix_candidate_episodes_candidate_detected_at_ns",
        "candidate_episodes",
        ["candidate", "detected_at_ns"],
    )


def _acts() -> None:
    op.create_table(
        "candidate_acts",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("candidate", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger()),
        sa.PrimaryKeyConstraint("number", name="pk_candidate_acts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_candidate_acts_candidate", "candidate_acts", ["candidate"])
