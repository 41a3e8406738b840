from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ports import StateStore
from storage.state import open_state_store
from tests.support import influxd as influx
from tests.support import postgres as postgresql
from tests.support.influxd import InfluxServer, influx_server
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.states import new_state

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="session")
def influxd() -> Iterator[InfluxServer]:
    """A real InfluxDB 1.x; each test takes a database of its own."""
    try:
        with influx_server() as server:
            yield server
    except influx.ServerMissingError as missing:
        pytest.skip(f"NOT TESTED: {missing}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL; each test takes a database of its own."""
    try:
        with postgres_server() as server:
            yield server
    except postgresql.ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """Name of a database at the present schema with nothing in it."""
    name = postgres.new_database()
    open_state_store(postgres.url(name)).close()
    return name


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.new_database())


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    """Store at the present schema with nothing in it."""
    if request.param == "sqlite":
        opened = new_state(tmp_path / "state.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        template: str = request.getfixturevalue("migrated")
        opened = open_state_store(server.url(server.new_database(template)))
    yield opened
    opened.close()
