"""District overview: is data coming in, and which devices stand out."""

from collections.abc import Callable

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards import panels, queries
from dashboards.queries import InfluxQuery
from domain.equipment import Kind

UID = "equipwatch-district"

_REPORTING_KINDS = (Kind.LIFT, Kind.BOILER, Kind.CRANE)


def _each_kind(query: Callable[[Kind], str]) -> list[InfluxQuery]:
    return [
        InfluxQuery(query(kind), alias=str(kind), ref_id=kind[0].upper())
        for kind in _REPORTING_KINDS
    ]


def dashboard() -> Dashboard:
    """District overview dashboard."""
    reporting = _each_kind(queries.reporting)
    stored = _each_kind(queries.rows)
    return (
        Dashboard("District overview 区域总览")
        .uid(UID)
        .tags(["equipwatch"])
        .timezone("Asia/Shanghai")
        .refresh("10s")
        .time("now-1h", "now")
        .with_row(Row("Data 数据"))
        .with_panel(
            panels.number("Devices reporting 在线上报设备", "Devices that sent a row", *reporting)
        )
        .with_panel(
            panels.series("Rows stored 入库行数", "Rows per interval and kind", "short", *stored)
        )
        .with_row(Row("Lifts 电梯"))
        .with_panel(
            panels.series(
                "Codes 故障与事件代码",
                "Fault, event and alarm codes of all lifts",
                "short",
                InfluxQuery(queries.codes(Kind.LIFT), alias="codes"),
            )
        )
        .with_row(Row("Boilers and cranes 锅炉与起重机"))
        .with_panel(
            panels.series(
                "Steam pressure 蒸汽压力",
                "Highest gauge pressure of every boiler",
                "suffix:MPa",
                InfluxQuery(
                    queries.highest(Kind.BOILER, "steam_pressure_mpa"), alias="$tag_equipment_id"
                ),
            )
        )
        .with_panel(
            panels.series(
                "Hook load 起重量",
                "Highest load of every crane",
                "masst",
                InfluxQuery(queries.highest(Kind.CRANE, "hook_load_t"), alias="$tag_equipment_id"),
            )
        )
    )
