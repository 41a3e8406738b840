from collections.abc import Iterator

import pytest

from tests.support.influxd import InfluxServer, ServerMissingError, influx_server


@pytest.fixture(scope="session")
def influxd() -> Iterator[InfluxServer]:
    """A real InfluxDB 1.x; each test takes a database of its own."""
    try:
        with influx_server() as server:
            yield server
    except ServerMissingError as missing:
        pytest.skip(f"NOT TESTED: {missing}")
