from pathlib import Path

import duckdb
import pytest

from domain.channels import CHANNELS, ChannelType
from domain.equipment import Kind
from storage.columns import EXTRA
from storage.duckdb import DuckDBStore
from storage.influx import InfluxStore
from storage.line_protocol import EXTRA_PREFIX, LOADER, UNKNOWN
from storage.schema import ROW_FIELDS, TAG, FieldType, channel_fields, fields, measurement
from tests.support.batches import make_batch
from tests.support.influxd import InfluxServer


def full_row(kind: Kind) -> dict[str, object]:
    values = {c.name: "B1" if c.type is ChannelType.LABEL else 1 for c in CHANNELS[kind]}
    return {"id": "D-1", "seq": 1, "code": "gbt24476:04", "v": values}


def test_names_of_a_kind_are_distinct_and_collide_with_nothing() -> None:
    reserved = {TAG, UNKNOWN, "time"}
    for kind in Kind:
        names = [field.name for field in fields(kind)]
        assert len(set(names)) == len(names)
        assert not reserved & set(names)
        assert not [name for name in names if name.startswith(EXTRA_PREFIX)]
    assert not {LOADER, EXTRA} & {measurement(kind) for kind in Kind}


def test_units_are_those_of_the_catalogue() -> None:
    for kind in Kind:
        for field, channel in zip(channel_fields(kind), CHANNELS[kind], strict=True):
            assert (field.name, field.unit, field.channel) == (
                channel.name,
                channel.unit,
                channel.type,
            )
            assert (field.type is FieldType.FLOAT) == (channel.type is ChannelType.NUMBER)


def test_tables_of_duckdb_hold_the_fields_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    DuckDBStore(path).close()
    with duckdb.connect(path) as file:
        for kind in Kind:
            info = file.execute(f"PRAGMA table_info({measurement(kind)})").fetchall()
            expected = [TAG, *(field.name for field in ROW_FIELDS), UNKNOWN]
            expected += [field.name for field in channel_fields(kind)]
            assert [row[1] for row in info] == expected


@pytest.mark.influxdb
def test_fields_of_influxdb_have_the_types_of_the_schema(influxd: InfluxServer) -> None:
    database = influxd.new_database()
    store = InfluxStore(url=influxd.url, version=1, bucket=database)
    for position, kind in enumerate(Kind, start=1):
        store.append([make_batch(kind, [full_row(kind)], position=position)], position)
    store.close()
    for kind in Kind:
        [result] = influxd.query(f'SHOW FIELD KEYS FROM "{measurement(kind)}"', database)
        written = dict(result["series"][0]["values"])  # type: ignore[index]  # JSON
        assert written == {field.name: field.type.value for field in fields(kind)}
