"""Bring a state store's tables to the schema of this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from domain.errors import UsageError
from storage.state.engines import Engines

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engines: Engines) -> None:
    """Upgrade to the newest revision; only read when the tables have it already.

    One transaction that holds the turn to write: of several processes that start at once, one
    upgrades and the others wait and find it done, and a failed upgrade leaves nothing behind.

    Raises
    ------
    UsageError
        If the tables have a revision that this version does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with engines.reader.begin() as connection:
        if _revision(connection, scripts) == scripts.get_current_head():
            return
    with engines.migrator.begin() as connection:
        if _revision(connection, scripts) != scripts.get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _revision(connection: Connection, scripts: ScriptDirectory) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise UsageError(
            f"The state store has schema {revision}, which a newer version of equipwatch made: "
            "run that version, or restore a backup"
        )
    return revision
