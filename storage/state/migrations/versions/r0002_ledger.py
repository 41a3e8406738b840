"""The ledger: what was received, missing and refused, per device and hour."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table, empty: hours before it are unknown."""
    op.create_table(
        "ledger",
        sa.Column("equipment_id", TEXT, nullable=False),
        sa.Column("hour_start_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("alive", sa.BigInteger(), nullable=False),
        sa.Column("duplicated", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("bad_values", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger()),
        sa.Column("last_received_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("lag_first_ns", sa.BigInteger()),
        sa.Column("lag_last_ns", sa.BigInteger()),
        sa.Column("lag_min_ns", sa.BigInteger()),
        sa.Column("lag_max_ns", sa.BigInteger()),
        sa.Column("clock_wrong", sa.Boolean(), nullable=False),
        sa.Column("last_boot", TEXT, nullable=False),
        sa.Column("missing", sa.BigInteger(), nullable=False),
        sa.Column("missing_ranges", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("equipment_id", "hour_start_ns", name="pk_ledger"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ledger_hour_start_ns", "ledger", ["hour_start_ns"])
