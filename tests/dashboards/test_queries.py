"""Every query of the generated dashboards, executed by a real InfluxDB."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.build import render
from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from domain.instants import NS_PER_S
from storage.influx import InfluxStore
from tests.support.batches import T0_NS, make_batch
from tests.support.influxd import InfluxServer, ServerMissingError, influx_server

pytestmark = pytest.mark.influxdb

DEVICE = "D-1.x"
ROWS = 3
MACROS = {
    "$timeFilter": f"time >= {T0_NS} AND time < {T0_NS + 60 * NS_PER_S}",
    "$__interval": "10s",
    "${equipment_id:regex}": r"D-1\.x",
}


def found(kind: str, value: Any) -> Iterator[str]:
    """Texts under a key, wherever it stands in a dashboard."""
    if isinstance(value, dict):
        if isinstance(value.get(kind), str):
            yield value[kind]
        for inner in value.values():
            yield from found(kind, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from found(kind, inner)


QUERIES = sorted(
    {(name, query) for name, text in render().items() for query in found("query", json.loads(text))}
)


@pytest.fixture(scope="module")
def server() -> Iterator[InfluxServer]:
    try:
        with influx_server() as running:
            yield running
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def database(server: InfluxServer) -> str:
    """Rows of every kind in which every channel is reported and codes come."""
    name = server.new_database()
    store = InfluxStore(url=server.url, version=1, bucket=name)
    batches = []
    for kind in Kind:
        row = {
            "id": DEVICE,
            "code": "gbt24476:04",
            "v": {
                channel.name: "B1" if channel.type is ChannelType.LABEL else 1
                for channel in CHANNELS[kind]
            },
        }
        batches.append(make_batch(kind, [row] * ROWS))
    store.append(batches, 1)
    store.close()
    return name


def test_dashboards_have_queries() -> None:
    assert len(QUERIES) > 10


@pytest.mark.parametrize(("dashboard", "query"), QUERIES, ids=[q[:60] for _, q in QUERIES])
def test_query_runs_and_finds_what_is_stored(
    server: InfluxServer, database: str, dashboard: str, query: str
) -> None:
    text = query
    for macro, value in MACROS.items():
        text = text.replace(macro, value)
    assert "$" not in text.replace("$/", ""), f"{dashboard} uses a macro that no test replaces"
    [result] = server.query(text, database)
    series: Any = result.get("series", [])
    cells = [cell for table in series for row in table["values"] for cell in row[1:]]
    assert [cell for cell in cells if cell not in (None, 0)], text
