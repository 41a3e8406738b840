"""Every schema that was ever released comes up to the present one, and that one is the tables'."""

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, inspect, text

from domain.equipment import Kind
from domain.errors import UsageError
from domain.incidents import RESCUE
from domain.ports import EquipmentQuery
from storage.state import migrations, open_state_store
from storage.state.tables import metadata

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))


def differences(url: str) -> list[Any]:
    """What alembic would change in the database to make it fit the tables."""
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[Any] = compare_metadata(context, metadata)
    engine.dispose()
    return found


def partial_indexes(url: str) -> set[str]:
    """Conditions of partial indexes, which alembic does not compare."""
    reflected = MetaData()
    engine = create_engine(url)
    with engine.connect() as connection:
        reflected.reflect(connection)
        dialect = engine.dialect.name
    engine.dispose()
    conditions = [
        index.dialect_options[dialect].get("where")
        for table in reflected.tables.values()
        for index in table.indexes
    ]
    return {str(condition) for condition in conditions if condition is not None}


def load(script: Path, path: Path) -> str:
    database = sqlite3.connect(path)
    database.executescript(script.read_text(encoding="utf-8"))
    database.close()
    return f"sqlite:///{path}"


def test_migrations_from_nothing_give_the_tables(url: str) -> None:
    open_state_store(url).close()
    assert differences(url) == []
    assert len(partial_indexes(url)) == 2


def test_the_comparison_sees_a_difference(url: str) -> None:
    open_state_store(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE firms ADD COLUMN forgotten BIGINT"))
        connection.execute(text("DROP INDEX ix_findings_detected_at_ns"))
    engine.dispose()
    assert len(differences(url)) == 2


@pytest.mark.parametrize("script", SCHEMAS, ids=lambda path: path.stem)
def test_a_released_schema_comes_up_with_its_data(script: Path, tmp_path: Path) -> None:
    url = load(script, tmp_path / "state.db")
    store = open_state_store(url)
    with store.reading() as tx:
        (lift,) = tx.registry.find(EquipmentQuery(text="12345"))
        assert lift.name_zh == "一号梯"
        assert tx.registry.fleet().members(Kind.CRANE)[0].load_chart == ((3.0, 10.0), (6.0, 4.5))
        opened = tx.incidents.open_for("L-1", RESCUE)
        assert opened is not None
        assert opened.levels[0].at_ns == 7
        assert tx.incidents.events("I-1")[0].note == "first"
        assert tx.incidents.findings()[0].evidence[0].value == 40
        assert tx.outbox.due(50, 10)[0].attempts == 1
        assert tx.quarantine.originals(tx.quarantine.find()[0].id)[0].payload == b"payload 1"
        assert tx.accounts.key_by_digest("00") is not None
        assert tx.offsets.get("pipeline") == 9
    store.close()
    assert differences(url) == []


def test_a_released_revision_is_never_edited(tmp_path: Path) -> None:
    """The first revision still makes what it made when it was released."""

    def schema(path: Path) -> set[str]:
        database = sqlite3.connect(path)
        rows = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        database.close()
        return {re.sub(r"\s+", " ", sql) for (sql,) in rows}

    load(SCHEMAS[0], tmp_path / "released.db")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    assert schema(tmp_path / "released.db") == schema(tmp_path / "made.db")


def test_opening_again_changes_nothing(url: str) -> None:
    open_state_store(url).close()
    engine = create_engine(url)
    before = inspect(engine).get_table_names()
    open_state_store(url).close()
    assert inspect(engine).get_table_names() == before
    engine.dispose()


def test_a_newer_schema_is_refused(url: str) -> None:
    open_state_store(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(UsageError, match="9999"):
        open_state_store(url)


def test_a_failed_migration_leaves_nothing(url: str) -> None:
    """A table in the way makes the first revision fail halfway; the tables before it are gone."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (mine INTEGER)"))
    with pytest.raises(Exception, match="users"):
        open_state_store(url)
    assert inspect(engine).get_table_names() == ["users"]
    engine.dispose()
