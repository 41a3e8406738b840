"""InfluxQL queries of the dashboards: the one language that runs on InfluxDB 1.x, 2.x and 3.x."""

from dataclasses import dataclass

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from domain.channels import COLUMNS
from domain.equipment import Kind

DATASOURCE_UID = "equipwatch-influxdb"
"""Uid that `deploy/grafana/datasources.yaml` provisions."""

EQUIPMENT_VARIABLE = "equipment_id"

_ONE_DEVICE = f'"equipment_id" =~ /^${{{EQUIPMENT_VARIABLE}:regex}}$/ AND $timeFilter'


def datasource() -> DataSourceRef:
    """Reference to the provisioned InfluxDB data source."""
    return DataSourceRef(type_val="influxdb", uid=DATASOURCE_UID)


@dataclass(eq=False)
class InfluxQuery(Builder[Dataquery], Dataquery):
    """One raw InfluxQL target; the SDK ships no InfluxDB query type."""

    query: str
    alias: str = ""
    ref_id: str = "A"
    result_format: str = "time_series"

    def build(self) -> Dataquery:
        """Return itself: the SDK takes builders."""
        return self

    def to_json(self) -> dict[str, object]:
        """Keys as Grafana's InfluxDB data source reads them."""
        return {
            "refId": self.ref_id,
            "datasource": datasource(),
            "rawQuery": True,
            "query": self.query,
            "alias": self.alias,
            "resultFormat": self.result_format,
        }


def _field(kind: Kind, channel: str) -> str:
    if channel not in COLUMNS[kind]:
        raise KeyError(f"{kind} has no channel {channel}")
    return f'"{channel}"'


def reporting(kind: Kind) -> str:
    """Devices of a kind that reported within each interval."""
    return (
        'SELECT count("rows") FROM (SELECT count("position") AS "rows" '
        f'FROM "{kind}" WHERE $timeFilter GROUP BY time($__interval), "equipment_id" fill(none)) '
        "WHERE $timeFilter GROUP BY time($__interval) fill(0)"
    )


def rows(kind: Kind) -> str:
    """Rows stored per interval."""
    return (
        f'SELECT count("position") FROM "{kind}" WHERE $timeFilter '
        "GROUP BY time($__interval) fill(0)"
    )


def codes(kind: Kind) -> str:
    """Fault, event and alarm codes per interval."""
    return (
        f'SELECT count("code") FROM "{kind}" WHERE $timeFilter GROUP BY time($__interval) fill(0)'
    )


def highest(kind: Kind, channel: str) -> str:
    """Highest value of every device of a kind per interval."""
    return (
        f'SELECT max({_field(kind, channel)}) FROM "{kind}" WHERE $timeFilter '
        'GROUP BY time($__interval), "equipment_id" fill(none)'
    )


def one_device(kind: Kind, channel: str) -> str:
    """Every reported value of one channel of the chosen device."""
    return f'SELECT {_field(kind, channel)} FROM "{kind}" WHERE {_ONE_DEVICE}'


def one_device_codes(kind: Kind) -> str:
    """Codes of the chosen device, newest first."""
    return f'SELECT "code", "active" FROM "{kind}" WHERE {_ONE_DEVICE} ORDER BY time DESC LIMIT 200'


def equipment_ids(kind: Kind) -> str:
    """Values of the equipment variable."""
    return f'SHOW TAG VALUES FROM "{kind}" WITH KEY = "equipment_id"'
