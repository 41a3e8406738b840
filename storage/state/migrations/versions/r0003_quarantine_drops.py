"""Quarantine: which entry a refusal belongs to, and the entries that people dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column, empty for refusals before it, and the table."""
    op.add_column("quarantine_seen", sa.Column("entry_id", sa.BigInteger()))
    op.create_index("ix_quarantine_seen_entry_id", "quarantine_seen", ["entry_id"])
    op.create_table(
        "quarantine_drops",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("dropped_by", TEXT, nullable=False),
        sa.Column("dropped_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_quarantine_drops"),
    )
